import { GatewayError } from '../../core/errors.ts';
import type { RequestFacts } from '../../core/request.ts';
import { readChatFacts } from '../openai/chat-facts.ts';
import type { DecodedChat } from '../openai/decode.ts';
import { readJsonObject } from '../openai/read-json.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A completion request as it came, what the router needs to know of it, and its prompts as text. */
export type DecodedCompletion = DecodedChat & {
  /** Empty where the prompt is given in tokens, which only the engine can read. */
  readonly text: string;
};

/**
 * Reads the body of `POST /v1/completions`. Throws `invalid_request` with `param` naming the field, and
 * `unsupported_feature` for what engines leave out without a word: an echo, an insertion, the best of several.
 */
export function decodeCompletion(bytes: Buffer, header: (name: string) => string | undefined): DecodedCompletion {
  const body = readJsonObject(bytes);
  refuseUnserved(body);
  const prompt = readPrompt(body['prompt']);
  const facts = readChatFacts(chatOf(body, prompt.texts.join('\n')), header);
  return { facts: { ...facts, ...promptFacts(prompt) }, bytes, body, text: prompt.texts.join('\n') };
}

// Tried with build 11669: all but `n` are passed over in silence, which is another answer than was asked for.
function refuseUnserved(body: Fields): void {
  if (body['echo'] === true) throw unsupported('echo', 'echo is not served; put the prompt before the text yourself');
  if (isSet(body['suffix'])) {
    throw unsupported('suffix', 'suffix is not served; write the model’s own fill-in-the-middle marks into the prompt');
  }
  for (const name of ['n', 'best_of']) {
    const value = body[name];
    if (value !== undefined && value !== null && value !== 1)
      throw unsupported(name, `${name} must be 1: engines here give one completion of each prompt`);
  }
}

type Prompt = {
  readonly texts: readonly string[];
  /** How many tokens are given as numbers. */
  readonly tokens: number;
  readonly count: number;
};

const FORMS = 'a string, an array of strings, or arrays of token numbers';

function readPrompt(value: unknown): Prompt {
  if (value === undefined || value === null) throw wrong('you must provide a prompt: a string or an array of strings');
  if (typeof value === 'string') return { texts: [value], tokens: 0, count: 1 };
  if (!Array.isArray(value)) throw wrong(`prompt must be ${FORMS}, not ${typeof value}`);
  const items: readonly unknown[] = value;
  if (items.length === 0) throw wrong('prompt is an empty array; give at least one prompt');
  if (items.every((item) => typeof item === 'string')) return { texts: items, tokens: 0, count: items.length };
  if (isTokens(items)) return { texts: [], tokens: items.length, count: 1 };
  if (items.every(isTokens)) return { texts: [], tokens: items.flat().length, count: items.length };
  throw wrong(`prompt must be ${FORMS}; its elements are of several kinds`);
}

const isTokens = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length > 0 && value.every((token) => Number.isInteger(token) && token >= 0);

// What the two languages share is checked where it is checked for chats; `logprobs` is a number here.
function chatOf(body: Fields, text: string): Fields {
  const { prompt: _, logprobs, suffix: __, echo: ___, best_of: ____, ...shared } = body;
  return { ...shared, messages: [{ role: 'user', content: text }], logprobs: readLogprobs(logprobs) };
}

function readLogprobs(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (Number.isInteger(value) && (value as number) >= 0) return (value as number) > 0;
  throw new GatewayError('invalid_request', 'logprobs must be an integer from 0: how many likely tokens to tell', {
    param: 'logprobs',
  });
}

// English text has about four characters a token, and more is guessed than is lost.
const CHARS_PER_TOKEN = 4;

function promptFacts({ texts, tokens, count }: Prompt): Partial<RequestFacts> {
  const chars = texts.reduce((sum, text) => sum + text.length, 0);
  const isOneText = count === 1 && tokens === 0;
  return {
    rawPrompt: true,
    promptChars: chars + tokens * CHARS_PER_TOKEN,
    // Several prompts share no beginning, and what stands in token numbers cannot be compared with text.
    ...(!isOneText && { prefix: undefined }),
  };
}

const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== '';
const wrong = (message: string) => new GatewayError('invalid_request', message, { param: 'prompt' });
const unsupported = (param: string, message: string) => new GatewayError('unsupported_feature', message, { param });
