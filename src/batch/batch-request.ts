import { BATCH_ENDPOINTS, type BatchEndpoint, type BatchRequest, type BatchWhen } from '../core/batch.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import { parseDurationMs } from '../policy/units.ts';
import { parseWindows } from '../policy/windows.ts';
import { dateTimeMs, nextWallTime } from './wall-time.ts';

/** What reading a request needs to know. */
export type RequestContext = {
  readonly nowMs: number;
  /** For windows and times of day that name none. */
  readonly timezone: string;
  /** Quality floor of class `batch`. */
  readonly minQuality: number;
  /** Throws `model_not_found` for a name nobody has. */
  readonly checkModel: (name: string) => void;
};

const METADATA_MAX = 16;
const METADATA_KEY_MAX = 64;
const METADATA_VALUE_MAX = 512;
const OUTPUT_LIFE_MIN_S = 3_600;
const OUTPUT_LIFE_MAX_S = 2_592_000;
const DAY_MS = 86_400_000;
/** As far as a completion window goes. Plans look at every window until then. */
const DEADLINE_MS_MAX = 24 * DAY_MS;

/**
 * Reads the body of `POST /v1/batches`. Beside OpenAI's fields, `metadata` may hold ours: `x_window` (`now`, or windows
 * as the policy has them), `x_deadline` (an ISO time, or a time of day), `x_model`, `x_min_quality`. A completion window
 * may be any duration, not only 24h. Throws `invalid_request` naming the field.
 */
export function readBatchRequest(body: Readonly<Record<string, unknown>>, context: RequestContext): BatchRequest {
  const inputFile = body['input_file_id'];
  if (typeof inputFile !== 'string' || inputFile === '')
    throw invalid('input_file_id must be the id of a file', 'input_file_id');
  const metadata = readMetadata(body['metadata']);
  const completionWindow = body['completion_window'];
  if (typeof completionWindow !== 'string') {
    throw invalid('completion_window must be a duration such as "24h"', 'completion_window');
  }
  const latestMs = context.nowMs + durationOf(completionWindow, 'completion_window');
  const named = metadata?.['x_deadline'];
  const model = metadata?.['x_model'];
  if (model !== undefined) context.checkModel(model);
  return {
    endpoint: readEndpoint(body['endpoint']),
    inputFile,
    completionWindow,
    metadata,
    outputLifeMs: readOutputLife(body['output_expires_after']),
    when: readWhen(metadata?.['x_window'], context.timezone),
    deadlineMs: named === undefined ? latestMs : readDeadline(named, context),
    hasDeadline: named !== undefined,
    model,
    minQuality: readQuality(metadata?.['x_min_quality'], context.minQuality),
  };
}

function readEndpoint(value: unknown): BatchEndpoint {
  const found = BATCH_ENDPOINTS.find((endpoint) => endpoint === value);
  if (found !== undefined) return found;
  throw invalid(`endpoint must be one of ${BATCH_ENDPOINTS.join(', ')}`, 'endpoint');
}

function readMetadata(value: unknown): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalid('metadata must be an object of texts', 'metadata');
  const entries = Object.entries(value);
  if (entries.length > METADATA_MAX) throw invalid(`metadata may have ${METADATA_MAX} entries at most`, 'metadata');
  for (const [key, text] of entries) {
    if (typeof text !== 'string') throw invalid(`metadata.${key} must be a text`, `metadata.${key}`);
    if (key.length > METADATA_KEY_MAX || text.length > METADATA_VALUE_MAX) {
      const bounds = `${METADATA_KEY_MAX} characters of name and ${METADATA_VALUE_MAX} of text`;
      throw invalid(`metadata.${key.slice(0, METADATA_KEY_MAX)} is longer than ${bounds}`, 'metadata');
    }
  }
  return Object.fromEntries(entries) as Record<string, string>;
}

function readOutputLife(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const { anchor, seconds } = value as { readonly anchor?: unknown; readonly seconds?: unknown };
  return readExpiry(anchor, seconds, 'output_expires_after');
}

/** Life of a file, ms, from OpenAI's `{anchor: 'created_at', seconds}`; throws `invalid_request` naming `field`. */
export function readExpiry(anchor: unknown, seconds: unknown, field: string): number {
  if (anchor !== 'created_at') throw invalid(`${field}.anchor must be "created_at"`, `${field}.anchor`);
  const life = Number(seconds);
  if (!Number.isInteger(life) || life < OUTPUT_LIFE_MIN_S || life > OUTPUT_LIFE_MAX_S) {
    throw invalid(
      `${field}.seconds must be an integer from ${OUTPUT_LIFE_MIN_S} to ${OUTPUT_LIFE_MAX_S}`,
      `${field}.seconds`,
    );
  }
  return life * 1000;
}

function readWhen(text: string | undefined, timezone: string): BatchWhen {
  if (text === undefined) return { kind: 'policy' };
  // As in the policy, where no window at all is written so.
  if (text === 'now' || text === 'always') return { kind: 'now' };
  try {
    parseWindows(text, timezone);
  } catch (error) {
    throw invalid(`metadata.x_window: ${messageOf(error)}`, 'metadata.x_window');
  }
  return { kind: 'windows', text };
}

function readDeadline(text: string, { nowMs, timezone }: RequestContext): number {
  const atMs = nextWallTime(text, timezone, nowMs) ?? dateTimeMs(text, timezone);
  const what = 'a time of day such as 07:00, or a time such as 2026-11-21T07:00+01:00';
  if (atMs === undefined)
    throw invalid(`metadata.x_deadline must be ${what}, not ${JSON.stringify(text)}`, 'metadata.x_deadline');
  if (atMs <= nowMs)
    throw invalid(`metadata.x_deadline ${JSON.stringify(text)} has passed already`, 'metadata.x_deadline');
  if (atMs > nowMs + DEADLINE_MS_MAX)
    throw invalid(
      `metadata.x_deadline ${JSON.stringify(text)} is more than ${DEADLINE_MS_MAX / DAY_MS} days away`,
      'metadata.x_deadline',
    );
  return atMs;
}

function readQuality(text: string | undefined, floor: number): number {
  if (text === undefined) return floor;
  const quality = text.trim() === '' ? Number.NaN : Number(text);
  if (quality >= 0 && quality <= 1) return Math.max(quality, floor);
  throw invalid(
    `metadata.x_min_quality must be a number from 0 to 1, not ${JSON.stringify(text)}`,
    'metadata.x_min_quality',
  );
}

function durationOf(text: string, param: string): number {
  try {
    const durationMs = parseDurationMs(text);
    if (durationMs > 0) return durationMs;
  } catch (error) {
    throw invalid(`${param}: ${messageOf(error)}`, param);
  }
  throw invalid(`${param} must be above zero`, param);
}

const invalid = (message: string, param: string): GatewayError =>
  new GatewayError('invalid_request', message, { param });
