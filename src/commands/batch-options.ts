import { type Command, InvalidArgumentError } from 'commander';
import { BATCH_ENDPOINTS, type BatchEndpoint } from '../core/batch.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import { DURATION_PATTERN, parseDurationMs } from '../policy/units.ts';
import type { ClientOptions } from './gateway-options.ts';

/** Options of `sluice batch submit`. */
export type SubmitOptions = ClientOptions & {
  readonly model?: string;
  readonly window?: string;
  readonly deadline?: string;
  readonly minQuality?: string;
  readonly endpoint?: BatchEndpoint;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly text?: true;
  readonly jsonl?: true;
  readonly system?: string;
  readonly maxTokens?: number;
  readonly wait?: true;
};

/** Adds the options of `sluice batch submit`. */
export function addSubmitOptions(command: Command): Command {
  return command
    .option('--model <name>', 'the one model to use (default: the best that still lets everything finish)')
    .option('--window <when>', 'when to run: now, or e.g. "Mon-Fri 22:00-07:00 Europe/Berlin" (default: the policy\'s)')
    .option('--deadline <time>', 'when it must be done: 07:00, 2026-11-22T07:00+01:00, or within 36h (default: 24h)')
    .option('--min-quality <share>', 'use no model below this quality, 0 to 1')
    .option(
      '--endpoint <path>',
      "chat/completions, completions, embeddings or responses (default: the first line's)",
      parseEndpoint,
    )
    .option('--metadata <key=value>', 'a note to keep with the batch; may be repeated', collectMetadata)
    .option('--text', 'FILE is plain text, one prompt per line (default where it is not named .jsonl)')
    .option('--jsonl', 'FILE is JSONL, whatever its name')
    .option('--system <text>', 'system prompt of every prompt of a plain text')
    .option('--max-tokens <number>', 'most tokens of every answer to a plain text', parseCount)
    .option('--wait', 'follow it to its end; Ctrl-C stops looking and does not cancel');
}

/**
 * The body of `POST /v1/batches` for what was asked for. A deadline that is a duration is the completion window, anything
 * else goes into the metadata, as the gateway reads it.
 */
export function batchBody(inputFile: string, endpoint: BatchEndpoint, options: SubmitOptions): object {
  const { model, window, deadline, minQuality } = options;
  const isDuration = deadline !== undefined && new RegExp(DURATION_PATTERN).test(deadline);
  const metadata = Object.entries({
    ...options.metadata,
    x_model: model,
    x_window: window,
    x_deadline: isDuration ? undefined : deadline,
    x_min_quality: minQuality,
  }).filter(([, value]) => value !== undefined);
  return {
    input_file_id: inputFile,
    endpoint,
    completion_window: isDuration ? deadline : '24h',
    ...(metadata.length > 0 && { metadata: Object.fromEntries(metadata) }),
  };
}

/** Throws `usage` for options that exclude each other or do not fit what FILE is and what it asks for. */
export function checkSubmitOptions(options: SubmitOptions, kind: 'jsonl' | 'text', endpoint: BatchEndpoint): void {
  if (kind === 'jsonl' && (options.system !== undefined || options.maxTokens !== undefined)) {
    const given = options.system === undefined ? '--max-tokens' : '--system';
    throw new GatewayError('usage', `${given} is for plain text; the lines of a JSONL file say it themselves`);
  }
  const hasSystem = endpoint === '/v1/chat/completions' || endpoint === '/v1/responses';
  if (options.system !== undefined && !hasSystem) {
    throw new GatewayError('usage', `${endpoint} knows no system prompt: leave out --system`);
  }
  if (options.maxTokens !== undefined && endpoint === '/v1/embeddings') {
    throw new GatewayError('usage', 'embeddings have no output tokens: leave out --max-tokens');
  }
}

/** What FILE holds, where the options say it; throws `usage` where they say both. */
export function givenKind({ text, jsonl }: SubmitOptions): 'jsonl' | 'text' | undefined {
  if (text && jsonl) throw new GatewayError('usage', '--text and --jsonl exclude each other');
  return text ? 'text' : jsonl ? 'jsonl' : undefined;
}

const DAY_MS = 86_400_000;

/** An age in ms such as `7d`, `12h`; refuses anything else in commander's way. */
export function parseAge(text: string): number {
  // Days may be more than what a timer can wait.
  const days = /^(\d{1,5})d$/.exec(text)?.[1];
  if (days !== undefined) return Number(days) * DAY_MS;
  try {
    return parseDurationMs(text);
  } catch (error) {
    throw new InvalidArgumentError(`${messageOf(error)}.`);
  }
}

/** A whole number from 1 on; refuses anything else in commander's way. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(count) && count > 0) return count;
  throw new InvalidArgumentError('expected a whole number from 1 on.');
}

function parseEndpoint(text: string): BatchEndpoint {
  const found = BATCH_ENDPOINTS.find((endpoint) => endpoint === text || endpoint === `/v1/${text}`);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`expected one of ${BATCH_ENDPOINTS.join(', ')}.`);
}

function collectMetadata(text: string, before: Readonly<Record<string, string>> = {}) {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('expected KEY=VALUE.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
