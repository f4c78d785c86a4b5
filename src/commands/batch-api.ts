import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { BatchStatus } from '../core/batch.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { type GatewayAddress, type GatewayCall, openGateway, readAnswer } from './ask-gateway.ts';
import { addressOf, type ClientOptions, nobodyListens } from './gateway-options.ts';

/** A batch as a gateway tells of it; times in seconds since 1970, null until reached. */
export type BatchAnswer = {
  readonly id: string;
  readonly status: BatchStatus;
  readonly endpoint: string;
  readonly input_file_id: string;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly completed_at: number | null;
  readonly failed_at: number | null;
  readonly expired_at: number | null;
  readonly cancelled_at: number | null;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly errors: { readonly data: readonly FaultAnswer[] } | null;
  readonly x_router: BatchNews;
};

/** A line of the input that cannot be used; `line` is null where the file as a whole is meant. */
export type FaultAnswer = { readonly line: number | null; readonly code: string; readonly message: string };

/** What is planned and what it has cost; the first six are absent unless the batch is in progress. */
export type BatchNews = {
  readonly state?: string;
  readonly planned?: Readonly<Record<string, number>>;
  readonly in_time?: number;
  readonly predicted_finish?: string | null;
  readonly promised?: boolean;
  readonly items_per_hour?: number | null;
  readonly window: string;
  readonly deadline_named: boolean;
  readonly lost_ms: number;
  readonly preempted: number;
  readonly paused: string | null;
};

/** A file as a gateway tells of it. */
export type FileAnswer = {
  readonly id: string;
  readonly bytes: number;
  readonly filename: string;
  readonly created_at: number;
};

/**
 * Files and batches of a running gateway. All calls throw `runtime_failed`: with the gateway's own message where it
 * refuses, with a `cause` where it could not be reached.
 */
export interface BatchApi {
  readonly url: string;
  /** Sends a file as its pieces come. */
  upload(filename: string, pieces: AsyncIterable<Uint8Array>): Promise<FileAnswer>;
  create(body: object): Promise<BatchAnswer>;
  batch(id: string): Promise<BatchAnswer>;
  /** Newest first; all of them unless `limit` says otherwise. */
  batches(limit?: number): Promise<readonly BatchAnswer[]>;
  cancel(id: string): Promise<BatchAnswer>;
  /** Deletes a batch that has ended, and its results. */
  remove(id: string): Promise<void>;
  files(): Promise<readonly FileAnswer[]>;
  removeFile(id: string): Promise<void>;
  content(id: string): Promise<Readable>;
}

const BATCHES_PAGE = 100;
const FILES_PAGE = 10_000;

/** The gateway that the options name. */
export async function openBatchApi(options: ClientOptions): Promise<BatchApi> {
  const address = await addressOf(options);
  const send = (path: string, call: GatewayCall = {}) => open(address, path, call);
  const ask = async <Answer>(path: string, call?: GatewayCall) =>
    (await readAnswer(address, await send(path, call))) as Answer;
  const at = (kind: 'batches' | 'files', id: string) => `/v1/${kind}/${encodeURIComponent(id)}`;
  return {
    url: address.url,
    upload: (filename, pieces) => {
      const boundary = `sluice-${systemClock.randomHex(16)}`;
      const contentType = `multipart/form-data; boundary=${boundary}`;
      return ask('/v1/files', { contentType, body: multipart(boundary, filename, pieces) });
    },
    create: (body) => ask('/v1/batches', { body: JSON.stringify(body) }),
    batch: (id) => ask(at('batches', id)),
    batches: (limit = Number.POSITIVE_INFINITY) => allPages(ask<Page<BatchAnswer>>, '/v1/batches', BATCHES_PAGE, limit),
    cancel: (id) => ask(`${at('batches', id)}/cancel`, { method: 'POST' }),
    remove: async (id) => void (await ask(at('batches', id), { method: 'DELETE' })),
    files: () => allPages(ask<Page<FileAnswer>>, '/v1/files', FILES_PAGE),
    removeFile: async (id) => void (await ask(at('files', id), { method: 'DELETE' })),
    content: async (id) => (await send(`${at('files', id)}/content`)).body,
  };
}

/** True where an error says that the gateway could not be reached, not that it refused. */
export const isAway = (error: unknown): boolean => error instanceof GatewayError && error.cause !== undefined;

async function open(address: GatewayAddress, path: string, call: GatewayCall): Promise<Dispatcher.ResponseData> {
  const reply = await openGateway(address, path, call);
  if (reply !== undefined) return reply;
  const error = nobodyListens(address);
  throw new GatewayError(error.code, error.message, { cause: error });
}

type Page<Item> = { readonly data: readonly Item[]; readonly has_more: boolean };
type Row = { readonly id: string };

async function allPages<Item extends Row>(
  ask: (path: string) => Promise<Page<Item>>,
  path: string,
  size: number,
  limit = Number.POSITIVE_INFINITY,
): Promise<readonly Item[]> {
  const all: Item[] = [];
  for (;;) {
    const last = all.at(-1)?.id;
    const after = last === undefined ? '' : `&after=${encodeURIComponent(last)}`;
    const page = await ask(`${path}?limit=${Math.min(size, limit - all.length)}${after}`);
    all.push(...page.data);
    if (!page.has_more || page.data.length === 0 || all.length >= limit) return all;
  }
}

async function* multipart(boundary: string, filename: string, pieces: AsyncIterable<Uint8Array>) {
  const part = (disposition: string) => `--${boundary}\r\ncontent-disposition: form-data; ${disposition}\r\n`;
  // As browsers write names: these three would end the value or the header.
  const name = filename.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  const file = part(`name="file"; filename="${name}"`);
  yield Buffer.from(`${part('name="purpose"')}\r\nbatch\r\n${file}content-type: application/jsonl\r\n\r\n`);
  yield* pieces;
  yield Buffer.from(`\r\n--${boundary}--\r\n`);
}
