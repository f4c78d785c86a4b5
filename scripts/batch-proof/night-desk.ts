import { Readable } from 'node:stream';
import { type Batches, createBatches } from '../../src/batch/batches.ts';
import type { Pace } from '../../src/batch/pace.ts';
import type { Batch, BatchRequest } from '../../src/core/batch.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { Policy } from '../../src/core/policy.ts';
import { type BatchRunner, type BatchRunnerParts, createBatchRunner } from '../../src/serve/batch/runner.ts';
import type { FileShelf } from '../../src/store/file-shelf.ts';
import { openStore } from '../../src/store/open-store.ts';

/** Batches and their runner as the gateway has them, in memory, with a board of the caller's. */
export type NightDesk = {
  readonly runner: BatchRunner;
  readonly batches: Batches;
  readonly batch: (id: string) => Batch | undefined;
  /** Sends a batch of `lines` lines, each with `chars` characters of prompt; it is read before the next event. */
  readonly submit: (lines: readonly { readonly chars: number }[], given: GivenRequest) => string;
  readonly close: () => Promise<void>;
};

/** What of a request differs from one batch to the next. */
export type GivenRequest = Pick<BatchRequest, 'deadlineMs' | 'when' | 'model' | 'minQuality'>;

/** The board a night runs on. */
export type NightBoard = Pick<BatchRunnerParts, 'snapshot' | 'quietMs' | 'usualGapMs' | 'foreignShare'> & {
  readonly run: NonNullable<BatchRunnerParts['run']>;
};

/** What a desk is made of. */
export type NightDeskParts = {
  readonly clock: Clock;
  readonly policy: Policy;
  readonly board: NightBoard;
  readonly pace: { load(): Pace; save(pace: Pace): void };
  readonly say?: (message: string) => void;
};

/** Opens one; nothing runs before `runner.start`. */
export function openNightDesk({ clock, policy, board, pace, say }: NightDeskParts): NightDesk {
  const store = openStore(':memory:', { clock });
  const shelf = memoryShelf();
  const emit: BatchRunnerParts['emit'] = (event) => {
    if (event.kind === 'gateway.notice') say?.(event.message);
  };
  const table = store.batches;
  const queue = store.jobs;
  const batches = createBatches({
    ...{ clock, emit, table, queue, shelf, policy: () => policy },
    rulesFor: () => ({
      readBody: (body) => {
        const { chars } = JSON.parse(body.toString('utf8')) as { readonly chars: number };
        return { model: 'auto', stream: false, promptChars: chars, messageCount: 1, maxTokens: undefined };
      },
      modelOf: () => undefined,
    }),
  });
  const unused = (): never => {
    throw new Error('simulated items are no requests');
  };
  const runner = createBatchRunner({
    ...{ clock, emit, queue, shelf, batches, pace, ...board, policy: () => policy },
    modelOf: (name) => [...policy.models.keys()].find((id) => id === name),
    hottestCelsius: () => undefined,
    isDraining: () => false,
    codecOf: unused,
    serve: {} as BatchRunnerParts['serve'],
    keepState: () => undefined,
  });
  return {
    ...{ runner, batches, batch: table.batch },
    submit: (lines, given) => {
      const inputFile = `file-${clock.randomHex(6)}`;
      shelf.put(inputFile, lines.map(({ chars }, index) => lineOf(index + 1, chars)).join('\n'));
      return batches.create('night', { ...REQUEST, ...given, inputFile, hasDeadline: true }).id;
    },
    close: async () => {
      await runner.close();
      store.close();
    },
  };
}

const REQUEST = {
  endpoint: '/v1/chat/completions',
  completionWindow: '24h',
  metadata: undefined,
  outputLifeMs: undefined,
} as const;

const lineOf = (line: number, chars: number): string =>
  JSON.stringify({ custom_id: `item-${line}`, method: 'POST', url: REQUEST.endpoint, body: { chars } });

function memoryShelf(): FileShelf & { put(id: string, text: string): void } {
  const files = new Map<string, Buffer>();
  return {
    folder: '',
    pathOf: (id) => id,
    put: (id, text) => void files.set(id, Buffer.from(text)),
    write: async (id, pieces) => {
      const parts: Buffer[] = [];
      for await (const piece of pieces) parts.push(Buffer.from(piece as string));
      const bytes = Buffer.concat(parts);
      files.set(id, bytes);
      return bytes.length;
    },
    read: (id) => Readable.from([files.get(id) ?? Buffer.alloc(0)]),
    slice: async (id, offset, length) => files.get(id)?.subarray(offset, offset + length) ?? Buffer.alloc(0),
    remove: async (id) => void files.delete(id),
    sweep: async () => 0,
  };
}
