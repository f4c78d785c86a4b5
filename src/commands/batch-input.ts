import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { BATCH_ENDPOINTS, type BatchEndpoint } from '../core/batch.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import { textLines } from './text-lines.ts';

/** What a file holds: requests as JSONL, or one prompt per line. */
export type InputKind = 'jsonl' | 'text';

/** A file that is to be submitted, opened. */
export type BatchInput = {
  readonly kind: InputKind;
  /** What the file is called where people see it. */
  readonly name: string;
  /** Its size; undefined for standard input. */
  readonly bytes: number | undefined;
  /** What the first request of a JSONL file is for; undefined where that cannot be seen. */
  readonly endpoint: BatchEndpoint | undefined;
  readonly pieces: AsyncIterable<Uint8Array>;
};

/** What every prompt of a plain text is sent with. */
export type PromptRules = {
  readonly endpoint: BatchEndpoint;
  readonly system: string | undefined;
  readonly maxTokens: number | undefined;
};

/** Byte order mark. */
const MARK = '\uFEFF';
/** So much of a file is looked at to see what it holds. */
const SNIFF_BYTES = 65_536;

/**
 * Opens a file, `-` for standard input, and finds out what it holds unless `kind` says so: its name, else its first line.
 * Throws `usage` where it cannot be read or is neither.
 */
export async function openInput(file: string, kind: InputKind | undefined): Promise<BatchInput> {
  const isStdin = file === '-';
  if (isStdin && process.stdin.isTTY) {
    throw new GatewayError('usage', 'pipe something in, e.g. "sluice batch submit - < prompts.txt", or name a file');
  }
  const bytes = isStdin ? undefined : await sizeOf(file);
  const name = isStdin ? 'standard input' : basename(file);
  const source: AsyncIterable<Buffer> = isStdin ? process.stdin : createReadStream(file);
  const { head, pieces } = await peek(readable(name, source));
  const first = head.split('\n').find((line) => line.trim() !== '') ?? '';
  return { kind: kind ?? kindOf(file, first), name, bytes, endpoint: endpointOf(first), pieces };
}

async function sizeOf(file: string): Promise<number> {
  try {
    const handle = await open(file);
    try {
      const status = await handle.stat();
      if (status.isDirectory()) throw new Error('it is a folder');
      return status.size;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unreadable(file, error);
  }
}

async function* readable(name: string, source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* source;
  } catch (error) {
    throw unreadable(name, error);
  }
}

const unreadable = (name: string, error: unknown): GatewayError =>
  new GatewayError('usage', `cannot read ${name}: ${messageOf(error)}`);

// Reads until there is a line to judge by, and gives everything back as if nothing had been read, but for a byte order
// mark, which JSON does not allow.
async function peek(source: AsyncGenerator<Buffer>): Promise<{ head: string; pieces: AsyncIterable<Buffer> }> {
  const first: Buffer[] = [];
  let head = '';
  while (Buffer.byteLength(head) < SNIFF_BYTES && !/\S[^\n]*\n/.test(head)) {
    const { value, done } = await source.next();
    if (done === true) break;
    first.push(value);
    head = Buffer.concat(first).toString('utf8');
  }
  const start = Buffer.concat(first);
  const pieces = (async function* () {
    yield start.subarray(head.startsWith(MARK) ? Buffer.byteLength(MARK) : 0);
    yield* source;
  })();
  return { head: head.startsWith(MARK) ? head.slice(MARK.length) : head, pieces };
}

function kindOf(file: string, firstLine: string): InputKind {
  const extension = extname(file).toLowerCase();
  if (extension === '.jsonl' || extension === '.ndjson') return 'jsonl';
  if (isRequest(firstLine)) return 'jsonl';
  if (extension !== '.json') return 'text';
  throw new GatewayError(
    'usage',
    `${file} does not begin with a request on one line: a batch is JSONL, or text with one prompt per line (--text)`,
  );
}

// A line cut off at the end of what was looked at is no JSON, but begins like a request all the same.
const isRequest = (line: string): boolean => /^\s*\{/.test(line) && line.includes('"custom_id"');

function endpointOf(firstLine: string): BatchEndpoint | undefined {
  try {
    const value = JSON.parse(firstLine) as { readonly url?: unknown } | null;
    return BATCH_ENDPOINTS.find((endpoint) => endpoint === value?.url);
  } catch {
    // The gateway says what is wrong with the line.
    return undefined;
  }
}

/**
 * The JSONL of a plain text with one prompt per line. Line n stays line n, empty ones included, so that errors and
 * results name the lines people see; its custom id is `line-n`. Throws `usage` where the text is no UTF-8.
 */
export async function* promptsToJsonl(
  { name, pieces }: Pick<BatchInput, 'name' | 'pieces'>,
  rules: PromptRules,
): AsyncGenerator<Buffer> {
  let number = 0;
  let waiting = '';
  for await (const prompt of textLines(name, pieces)) {
    number += 1;
    waiting += `${prompt.trim() === '' ? '' : requestLine(number, prompt, rules)}\n`;
    if (waiting.length < SNIFF_BYTES) continue;
    yield Buffer.from(waiting);
    waiting = '';
  }
  if (waiting !== '') yield Buffer.from(waiting);
}

function requestLine(number: number, prompt: string, rules: PromptRules): string {
  const { endpoint } = rules;
  return JSON.stringify({ custom_id: `line-${number}`, method: 'POST', url: endpoint, body: bodyOf(prompt, rules) });
}

function bodyOf(prompt: string, { endpoint, system, maxTokens }: PromptRules): object {
  const model = 'auto';
  switch (endpoint) {
    case '/v1/chat/completions': {
      const user = { role: 'user', content: prompt };
      const messages = system === undefined ? [user] : [{ role: 'system', content: system }, user];
      return { model, messages, max_tokens: maxTokens };
    }
    case '/v1/responses':
      return { model, input: prompt, instructions: system, max_output_tokens: maxTokens };
    case '/v1/completions':
      return { model, prompt, max_tokens: maxTokens };
    case '/v1/embeddings':
      return { model, input: prompt };
  }
}
