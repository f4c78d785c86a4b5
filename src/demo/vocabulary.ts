import { controlTokens } from './chat-template.ts';

/** Kinds of tokens llama.cpp knows, by its numbers (`llama_token_type`). */
const tokenKinds = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;

/** One entry of the vocabulary; `text` with U+2581 for a space, as SentencePiece writes it. */
export type Token = { readonly text: string; readonly kind: keyof typeof tokenKinds; readonly score: number };

/** A vocabulary with the number of each token. */
export type Vocabulary = {
  readonly tokens: readonly Token[];
  readonly idOf: ReadonlyMap<string, number>;
};

// Frequent words of prose and of code. They give prompts about three characters per token, like real vocabularies; with
// single characters only, a demo prompt would count four times as many tokens as the same prompt on a real model.
const frequentWords =
  'the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one you ' +
  'were all her she there would their we him been has when who will no more if out so up said what its about than into them ' +
  'can only other time new some could these two may first then do any like my now over such our man me even most made after ' +
  'also did many off before must well back through years where much your way down should because long each just state those ' +
  'people too little good make very still see work life own being under world here between year both against another same ' +
  'while last might us great old might day never come since came without used know take three think use give find ask answer ' +
  'question explain write read text word words list name names number value values code function return class test tests data ' +
  'file files line lines error model models tool tools system user assistant message messages content role type string object ' +
  'array true false null property required description request response stream token tokens please short summary summarize ' +
  'title translate rewrite classify sentence city weather language example following using when should must only json schema ' +
  'python javascript typescript rust java server client gateway board memory speed fast slow small large best default option ' +
  'run start stop open close need want help how why which input output const let import export await async new if else for';

/**
 * The vocabulary of a demo model: control tokens, 256 byte tokens (so that any text can be tokenized), printable
 * characters, frequent words with their prefixes (SentencePiece merges step by step), and the pieces of the model's own chains.
 */
export function buildVocabulary(pieces: readonly string[]): Vocabulary {
  const tokens: Token[] = [];
  const idOf = new Map<string, number>();
  const add = (text: string, kind: Token['kind'], score: number) => {
    if (idOf.has(text)) return;
    idOf.set(text, tokens.length);
    tokens.push({ text, kind, score });
  };
  for (const text of Object.values(controlTokens)) add(text, text === controlTokens.unknown ? 'unknown' : 'control', 0);
  for (let byte = 0; byte < 256; byte += 1) add(byteToken(byte), 'byte', 0);
  for (const character of printableCharacters()) add(character, 'normal', -1000);
  for (const prefix of wordPrefixes()) add(prefix, 'normal', prefix.length - 1000);
  // Least of all scores: a prompt is not merged into pieces of the chain where other merges are possible.
  for (const piece of pieces) add(piece, 'normal', -100_000);
  return { tokens, idOf };
}

/** The number llama.cpp gives a token's kind. */
export const tokenKindNumber = (token: Token): number => tokenKinds[token.kind];

/** Text as SentencePiece writes it in a vocabulary: every space becomes U+2581. */
export const toPiece = (text: string): string => text.replaceAll(' ', '\u2581');

const byteToken = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

function printableCharacters(): string[] {
  const characters = ['\n', '\t'];
  for (let code = 0x20; code <= 0x7e; code += 1) characters.push(toPiece(String.fromCharCode(code)));
  return characters;
}

function wordPrefixes(): Set<string> {
  const prefixes = new Set<string>();
  for (const word of frequentWords.split(' ')) {
    const piece = toPiece(` ${word}`);
    for (let length = 2; length <= piece.length; length += 1) prefixes.add(piece.slice(0, length));
  }
  return prefixes;
}
