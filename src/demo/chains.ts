import { controlTokens, toolCallFrame } from './chat-template.ts';
import { toPiece } from './vocabulary.ts';

/** How much a token wants another one to follow it. Only the gaps matter; they are large, so sampling is as good as greedy. */
export type Preference = { readonly next: string; readonly logit: number };

/** What the model says: for each piece of text that matters, what follows it; any other token is followed by `otherwise`. */
export type Chains = {
  readonly after: ReadonlyMap<string, readonly Preference[]>;
  readonly otherwise: readonly Preference[];
};

const strong = 1000;
// The end of a turn is wanted most; where it is banned (`ignore_eos`) or not allowed by a grammar, the next best follows.
const ending = 1300;
const closing = 1200;

const space = toPiece(' ');

const call = [
  toolCallFrame.open,
  '{"name": "',
  'get_weather',
  '", "arguments": ',
  '{"city": "',
  'Berlin',
  '"}',
  `}${toolCallFrame.close}`,
].map(toPiece);

/**
 * The whole behaviour of a demo model as "what follows what":
 *
 *   any prompt → sentence → end of turn; with the end banned the sentence starts over
 *   <|use_tool|> → get_weather({"city": "Berlin"}) → end of turn
 *   an opening quote, as a JSON grammar leaves no other choice → the sentence cut into other pieces → closing quote
 *
 * The JSON copy needs pieces of its own because a token's successor can depend on nothing but the token: in plain text
 * the sentence ends with the turn, in a JSON string with a quote. Without `ends` the plain sentence never does. Throws `RangeError` for a sentence of one or two letters.
 */
export function buildChains(sentence: string, ends = true): Chains {
  const after = new Map<string, readonly Preference[]>();
  const words = sentence.split(' ').map(toPiece);
  const plain = cutUnique(
    words.map((word, index) => (index === 0 ? word : `${space}${word}`)),
    new Set([...call, '"']),
  );
  const quoted = cutUnique(
    words.map((word, index) => (index === words.length - 1 ? word : `${word}${space}`)),
    new Set([...call, '"', ...plain]),
  );
  link(after, plain, [
    ...(ends ? [{ next: controlTokens.end, logit: ending }] : []),
    // A space has no successor of its own, so the sentence starts over behind it.
    { next: space, logit: strong },
  ]);
  link(
    after,
    ['"', ...quoted],
    [
      { next: controlTokens.end, logit: ending },
      { next: '"', logit: closing },
    ],
  );
  link(after, [controlTokens.call, ...call], [{ next: controlTokens.end, logit: ending }]);
  return { after, otherwise: [{ next: plain[0] ?? '', logit: strong }] };
}

/** Every piece of text the chains speak of. */
export function chainPieces({ after, otherwise }: Chains): Set<string> {
  const pieces = new Set(after.keys());
  for (const preferences of [...after.values(), otherwise]) for (const { next } of preferences) pieces.add(next);
  return pieces;
}

/**
 * What a grammar-bound reply prefers among the tokens that the chains do not speak of, by text: end the turn, then close
 * what is open, so that any JSON schema leads to short output that ends; characters in a fixed order, so that the
 * output is always the same; white space, whole words, raw bytes and control tokens only where nothing else is allowed
 * (grammars allow white space nearly everywhere, and a model that likes it never gets further).
 */
export function fallbackLogit(text: string, kind: 'normal' | 'unknown' | 'control' | 'byte'): number {
  if (text === controlTokens.end) return 300;
  if (kind === 'control' || kind === 'unknown') return -8000;
  if (kind === 'byte') return -6000;
  // `<` before the comma: it closes a tool call, the comma would begin the next one.
  const rank = '}]<,:"0'.indexOf(text);
  if (rank >= 0) return 280 - 10 * rank;
  return text.length === 1 && /[!-~]/.test(text) ? -10 * text.charCodeAt(0) : -4000;
}

function link(after: Map<string, readonly Preference[]>, pieces: readonly string[], last: readonly Preference[]): void {
  for (const [index, piece] of pieces.entries()) {
    const next = pieces[index + 1];
    after.set(piece, next === undefined ? last : [{ next, logit: strong }]);
  }
}

// Pieces must differ from each other and from those taken ("the" twice would lead the second one back to the first), so a
// word that was used is joined with the words after it until the piece is new, and at the end with the pieces before it.
function cutUnique(words: readonly string[], taken: ReadonlySet<string>): string[] {
  const pieces: string[] = [];
  const isNew = (piece: string): boolean => piece !== '' && !taken.has(piece) && !pieces.includes(piece);
  let open = '';
  for (const word of words) {
    open += word;
    if (isNew(open)) {
      pieces.push(open);
      open = '';
    }
  }
  if (open === '') return pieces;
  do open = `${pieces.pop() ?? ''}${open}`;
  while (!isNew(open) && pieces.length > 0);
  if (isNew(open)) return [...pieces, open];
  // One word only, and it is taken: it is cut behind its first letter.
  const [letter, rest] = [open.slice(0, 1), open.slice(1)];
  if (!isNew(letter) || !isNew(rest)) throw new RangeError(`"${words.join('')}" is too short to be cut in two ways`);
  return [letter, rest];
}
