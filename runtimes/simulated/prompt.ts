/**
 * Tokens without a tokenizer: every four characters of a text are one, and a message costs three more. It is made so
 * that what a real template and tokenizer have in common with it holds: the same beginning of a conversation gives the
 * same tokens, and an answer that comes back in the next request gives those it was written with.
 */

/** Characters of one token. */
const TOKEN_CHARS = 4;

type Message = { readonly role?: unknown; readonly content?: unknown };

/** Tokens of a text, four characters each, the last one what is left. */
export function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  for (let start = 0; start < text.length; start += TOKEN_CHARS) tokens.push(text.slice(start, start + TOKEN_CHARS));
  return tokens;
}

/** Tokens of a chat request's prompt: its tools, its messages and the head of the answer. */
export function promptTokensOf(messages: readonly unknown[], tools: unknown): string[] {
  const written = messages.flatMap((message) => tokensOfMessage(message as Message));
  const offered = Array.isArray(tools) ? tokensOf(JSON.stringify(tools)) : [];
  return [...offered, ...written, ...ANSWER_HEAD];
}

const ANSWER_HEAD = ['<|im_start|>', 'assistant'] as const;

function tokensOfMessage({ role, content }: Message): readonly string[] {
  return ['<|im_start|>', String(role), ...tokensOf(textOf(content)), '<|im_end|>'];
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: { readonly text?: unknown }) => (typeof part?.text === 'string' ? part.text : '')).join('');
}

/** Number of tokens two texts begin with in common. */
export function commonTokens(one: readonly string[], other: readonly string[]): number {
  const length = Math.min(one.length, other.length);
  for (let index = 0; index < length; index += 1) if (one[index] !== other[index]) return index;
  return length;
}

/** A number for a token, always the same one: what stands in for a vocabulary. */
export function tokenId(token: string): number {
  let hash = 0;
  for (let index = 0; index < token.length; index += 1) hash = (Math.imul(hash, 31) + token.charCodeAt(index)) | 0;
  return Math.abs(hash) % 32_000;
}
