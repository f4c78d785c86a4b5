import type { BatchEndpoint, BatchFault, NewJob } from '../core/batch.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { RequestFacts } from '../core/request.ts';
import { DEPTH_MAX, nestsTooDeep } from '../dialects/openai/read-json.ts';

/** Reads the body of one line as its endpoint would; throws what is wrong with it. */
export type ReadBody = (
  body: Buffer,
) => Pick<RequestFacts, 'model' | 'stream' | 'promptChars' | 'messageCount' | 'maxTokens'>;

/** How a batch's input is read. */
export type InputRules = {
  readonly endpoint: BatchEndpoint;
  readonly linesMax: number;
  readonly lineBytesMax: number;
  readonly readBody: ReadBody;
  /** Id of the model that a name insists on, undefined for `auto`; throws `model_not_found`. */
  readonly modelOf: (name: string) => string | undefined;
};

/** What a file holds: jobs in pieces as they are read, and what is wrong with its lines. */
export type InputListener = {
  /** Awaited before more is read. */
  readonly jobs: (jobs: readonly NewJob[]) => Promise<void>;
};

/** Faults beyond this many are not listed: nobody mends a file one by one then. */
export const FAULTS_MAX = 100;
/** Lines handed over together, one transaction of some milliseconds. */
const LINES_TOGETHER = 250;
/** Ids are all kept while a file is read, to find those that come twice. */
const CUSTOM_ID_MAX = 512;
const NEWLINE = 0x0a;
/** What some editors put before a text; JSON does not allow it. */
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Reads a JSONL file piece by piece, holding one line at a time and the ids seen. Empty lines are passed over. Resolves
 * with the faults, at most {@link FAULTS_MAX} of them; jobs are only to be used where there is none.
 */
export async function readInput(
  pieces: AsyncIterable<Buffer>,
  rules: InputRules,
  listener: InputListener,
): Promise<readonly BatchFault[]> {
  const reader = new InputReader(rules);
  for await (const line of linesOf(pieces, rules.lineBytesMax)) {
    reader.line(line);
    if (reader.isFull) break;
    if (reader.waiting >= LINES_TOGETHER) await listener.jobs(reader.take());
  }
  if (reader.waiting > 0) await listener.jobs(reader.take());
  return reader.faults();
}

type Line = { readonly number: number; readonly offset: number; readonly bytes: Buffer; readonly isTooLong: boolean };

class InputReader {
  readonly #rules: InputRules;
  readonly #faults: BatchFault[] = [];
  readonly #ids = new Map<string, number>();
  #jobs: NewJob[] = [];

  constructor(rules: InputRules) {
    this.#rules = rules;
  }

  get waiting(): number {
    return this.#jobs.length;
  }

  /** True when reading on would tell nothing new. */
  get isFull(): boolean {
    return this.#faults.length >= FAULTS_MAX || this.#ids.size > this.#rules.linesMax;
  }

  take(): readonly NewJob[] {
    const jobs = this.#jobs;
    this.#jobs = [];
    return jobs;
  }

  faults(): readonly BatchFault[] {
    const { linesMax } = this.#rules;
    if (this.#ids.size > linesMax) {
      const message = `the file has more than ${linesMax} lines (batch.lines_max)`;
      return [{ code: 'too_many_tasks', message, param: undefined, line: undefined }];
    }
    if (this.#faults.length === 0 && this.#ids.size === 0) {
      return [{ code: 'empty_file', message: 'the file has no line', param: undefined, line: undefined }];
    }
    return this.#faults;
  }

  line(line: Line): void {
    try {
      this.#jobs.push(this.#read(line));
    } catch (error) {
      const known = error instanceof LineFault ? error : undefined;
      const details = error instanceof GatewayError ? error : undefined;
      const param = known?.param ?? (details === undefined ? undefined : `body.${details.details.param ?? ''}`);
      this.#faults.push({
        code: known?.code ?? details?.code ?? 'invalid_request',
        message: messageOf(error),
        param: param?.replace(/\.$/, ''),
        line: line.number,
      });
    }
  }

  #read({ number, offset, bytes, isTooLong }: Line): NewJob {
    const { endpoint, lineBytesMax, readBody, modelOf } = this.#rules;
    if (isTooLong) throw new LineFault('line_too_long', `the line is longer than ${lineBytesMax} bytes`);
    const value = parseLine(bytes);
    const customId = value['custom_id'];
    if (typeof customId !== 'string' || customId === '') {
      throw new LineFault('missing_required_parameter', 'custom_id must be a text that is not empty', 'custom_id');
    }
    if (customId.length > CUSTOM_ID_MAX) {
      throw new LineFault('invalid_request', `custom_id is longer than ${CUSTOM_ID_MAX} characters`, 'custom_id');
    }
    const first = this.#ids.get(customId);
    if (first !== undefined) {
      throw new LineFault(
        'duplicate_custom_id',
        `custom_id ${quote(customId)} is line ${first}'s already`,
        'custom_id',
      );
    }
    this.#ids.set(customId, number);
    if (value['method'] !== 'POST')
      throw new LineFault('invalid_method', `method must be "POST", not ${quote(value['method'])}`, 'method');
    if (value['url'] !== endpoint) {
      throw new LineFault(
        'mismatched_endpoint',
        `url must be the batch's endpoint ${endpoint}, not ${quote(value['url'])}`,
        'url',
      );
    }
    const body = value['body'];
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new LineFault('invalid_request', 'body must be an object', 'body');
    }
    const facts = readBody(Buffer.from(JSON.stringify(body)));
    if (facts.stream) throw new LineFault('invalid_request', 'a batch has no streams; leave stream out', 'body.stream');
    const { promptChars, messageCount, maxTokens } = facts;
    return {
      line: number,
      customId,
      offset,
      length: bytes.length,
      promptChars,
      messageCount,
      maxTokens,
      model: modelOf(facts.model),
    };
  }
}

class LineFault extends Error {
  readonly code: string;
  readonly param: string | undefined;

  constructor(code: string, message: string, param?: string) {
    super(message);
    this.code = code;
    this.param = param;
  }
}

function parseLine(bytes: Buffer): Record<string, unknown> {
  if (nestsTooDeep(bytes)) throw new LineFault('invalid_json_line', `the line nests deeper than ${DEPTH_MAX} levels`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new LineFault('invalid_json_line', `the line is not valid JSON: ${messageOf(error)}`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new LineFault('invalid_json_line', 'the line must be one JSON object');
}

// A line that is too long is not kept: its first bytes only say that it is there.
async function* linesOf(pieces: AsyncIterable<Buffer>, lineBytesMax: number): AsyncGenerator<Line> {
  let number = 0;
  let offset = 0;
  let rest: Buffer[] = [];
  let restBytes = 0;
  const finish = function* (): Generator<Line> {
    number += 1;
    const isTooLong = restBytes > lineBytesMax;
    const whole = isTooLong ? Buffer.alloc(0) : Buffer.concat(rest, restBytes);
    const isMarked = number === 1 && whole.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
    const mark = isMarked ? BYTE_ORDER_MARK.length : 0;
    const bytes = whole.subarray(mark);
    if (isTooLong || bytes.toString('latin1').trim() !== '') yield { number, offset: offset + mark, bytes, isTooLong };
    offset += restBytes + 1;
    rest = [];
    restBytes = 0;
  };
  for await (const piece of pieces) {
    let from = 0;
    for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, from)) {
      keep(piece.subarray(from, at));
      yield* finish();
      from = at + 1;
    }
    keep(piece.subarray(from));
  }
  if (restBytes > 0) yield* finish();

  function keep(part: Buffer): void {
    if (restBytes <= lineBytesMax && part.length > 0) rest.push(part);
    restBytes += part.length;
  }
}

const quote = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, 80);
