import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import DatabaseFile, { type Database } from 'better-sqlite3';
import { systemClock } from '../../src/core/clock.ts';
import { seededRandom } from '../../src/core/random.ts';
import { ask, findBatch, hasEnded, type ResultLine, readLines, type SeenBatch, submitBatch } from './batch-calls.ts';
import { processesWith, type ServedProcess, startServing, waitFor } from './served-process.ts';

// A batch on a real llama-server, through a gateway in a process of its own; one of the two is killed with -9 again and
// again. The moments are drawn: a number of finished items that is waited for, and a delay after it. Equal numbers put a
// kill into the start, the recovery or the load that follows on the one before.

/** What is run. */
export type CrashOptions = {
  /** A folder of this run alone; its name is how the children are told from everybody else's. */
  readonly folder: string;
  readonly server: string;
  readonly bench: string;
  /** A small real model. */
  readonly model: string;
  readonly items: number;
  readonly kills: number;
  /** Tokens of each answer. */
  readonly tokens: number;
  /** Most that is waited after the item, ms. */
  readonly jitterMs: number;
  readonly seed: number;
  readonly say?: (message: string) => void;
};

/** What came of it. */
export type CrashResult = {
  readonly batch: SeenBatch;
  readonly results: readonly ResultLine[];
  readonly errors: readonly ResultLine[];
  readonly killed: { readonly gateway: number; readonly child: number };
  /** By status of the batch when the gateway was killed. */
  readonly killedIn: Readonly<Record<string, number>>;
  /** Lines that were begun more than once, as the queue counted them, and the most begins of one. */
  readonly retried: number;
  readonly attemptsMax: number;
  /** Lines whose result names fewer attempts than the queue was seen to have counted. */
  readonly unrecorded: readonly string[];
  /** Processes of this run that were still there after the last gateway had ended. */
  readonly orphans: readonly number[];
  /** Children that outlived their gateway for longer than two seconds. */
  readonly outlived: number;
  readonly integrity: string;
  /** Jobs left in the database after the end. */
  readonly leftRows: number;
  readonly durationMs: number;
};

const ORPHAN_LIMIT_MS = 2_000;

/** Runs it; takes some two seconds per kill of the gateway. */
export async function runCrashes(options: CrashOptions): Promise<CrashResult> {
  const run = new CrashRun(options);
  try {
    return await run.whole();
  } finally {
    await run.close();
  }
}

type Kill = { readonly afterItems: number; readonly delayMs: number; readonly who: 'gateway' | 'child' };

function drawKills({ items, kills, jitterMs, seed }: CrashOptions): readonly Kill[] {
  const random = seededRandom(seed);
  const marks = Array.from({ length: kills }, () => Math.floor(random() * items * 0.97)).sort((a, b) => a - b);
  return marks.map((afterItems) => ({
    afterItems,
    delayMs: random() * jitterMs,
    who: random() < 0.6 ? 'gateway' : 'child',
  }));
}

class CrashRun {
  readonly #options: CrashOptions;
  readonly #database: () => Database;
  readonly #attempts = new Map<number, number>();
  readonly #killed = { gateway: 0, child: 0 };
  readonly #killedIn: Record<string, number> = {};
  #outlived = 0;
  #served: ServedProcess | undefined;
  #opened: Database | undefined;

  constructor(options: CrashOptions) {
    this.#options = options;
    this.#database = () => {
      this.#opened ??= new DatabaseFile(join(options.folder, 'data', 'sluice.db'), { readonly: true });
      return this.#opened;
    };
  }

  async whole(): Promise<CrashResult> {
    const startMs = systemClock.monotonicMs();
    const { folder, model, items, tokens } = this.#options;
    mkdirSync(folder, { recursive: true });
    copyFileSync(model, join(folder, 'tiny.gguf'));
    writeFileSync(join(folder, 'policy.yaml'), JSON.stringify(policyOf(this.#options)));
    await this.#start();
    const { id } = await submitBatch(this.#url, inputOf(items, tokens));
    for (const kill of drawKills(this.#options)) await this.#kill(id, kill);
    const batch = await waitFor('the end of the batch', async () => {
      this.#sample();
      const seen = await findBatch(this.#url, id);
      return hasEnded(seen) ? seen : undefined;
    });
    const results = await readLines(this.#url, batch.output_file_id);
    const errors = await readLines(this.#url, batch.error_file_id);
    await this.#served?.stop();
    this.#served = undefined;
    const leftRows = Number(this.#database().prepare('SELECT count(*) FROM batch_jobs').pluck().get());
    return {
      ...{ batch, results, errors, killed: this.#killed, killedIn: this.#killedIn, outlived: this.#outlived },
      retried: [...this.#attempts.values()].filter((attempts) => attempts > 1).length,
      attemptsMax: Math.max(0, ...this.#attempts.values()),
      unrecorded: this.#unrecorded(results),
      orphans: processesWith(folder),
      integrity: String(this.#database().pragma('integrity_check', { simple: true })),
      leftRows,
      durationMs: systemClock.monotonicMs() - startMs,
    };
  }

  async close(): Promise<void> {
    this.#opened?.close();
    await this.#served?.stop();
  }

  get #url(): string {
    return this.#served?.url ?? '';
  }

  async #start(): Promise<void> {
    const { folder } = this.#options;
    this.#served = await startServing(['--policy', join(folder, 'policy.yaml'), '--data', join(folder, 'data')]);
  }

  async #kill(id: string, { afterItems, delayMs, who }: Kill): Promise<void> {
    await waitFor(`${afterItems} items`, () => {
      const { done, status } = this.#sample();
      return done >= afterItems || status === 'completed' ? true : undefined;
    });
    await systemClock.sleep(delayMs);
    const { done, status } = this.#sample();
    this.#options.say?.(`${status}, ${done} done: killing the ${who}`);
    if (who === 'child') {
      await this.#killChild();
      return;
    }
    this.#killedIn[status] = (this.#killedIn[status] ?? 0) + 1;
    this.#killed.gateway += 1;
    await this.#served?.kill();
    this.#served = undefined;
    // The kernel takes the children with it; the next gateway would find what is left.
    const areGone = () => (processesWith(this.#options.folder).length === 0 ? true : undefined);
    await waitFor('its children are gone', areGone, ORPHAN_LIMIT_MS).catch(() => {
      this.#outlived += 1;
    });
    await this.#start();
    await findBatch(this.#url, id);
  }

  async #killChild(): Promise<void> {
    const pid = await waitFor('a child', async () => {
      this.#sample();
      const { models } = await ask<{ readonly models: readonly { readonly pid: number | null }[] }>(
        `${this.#url}/router/models`,
      );
      return models[0]?.pid ?? undefined;
    });
    this.#killed.child += 1;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended by itself.
    }
  }

  #unrecorded(results: readonly ResultLine[]): readonly string[] {
    const isShort = ({ custom_id: id, response }: ResultLine) =>
      (response?.body.x_router?.attempts ?? 0) < (this.#attempts.get(Number(id.replace('item-', ''))) ?? 1);
    return results.filter(isShort).map((line) => line.custom_id);
  }

  #sample(): { readonly done: number; readonly status: string } {
    const rows = this.#database()
      .prepare<unknown[], { readonly line: number; readonly attempts: number }>(
        'SELECT line, attempts FROM batch_jobs WHERE attempts > 0',
      )
      .all();
    for (const { line, attempts } of rows) this.#attempts.set(line, Math.max(attempts, this.#attempts.get(line) ?? 0));
    const row = this.#database()
      .prepare<unknown[], { readonly done: number; readonly failed: number; readonly status: string }>(
        'SELECT done, failed, status FROM batches',
      )
      .get();
    return { done: (row?.done ?? 0) + (row?.failed ?? 0), status: row?.status ?? 'none' };
  }
}

function inputOf(items: number, tokens: number): string {
  const line = (index: number) => ({
    custom_id: `item-${index}`,
    method: 'POST',
    url: '/v1/chat/completions',
    body: {
      model: 'auto',
      messages: [{ role: 'user', content: `Question ${index}: who are you?` }],
      ...{ ignore_eos: true, max_tokens: tokens },
    },
  });
  return Array.from({ length: items }, (_, index) => `${JSON.stringify(line(index + 1))}\n`).join('');
}

function policyOf({ folder, server, bench }: CrashOptions): object {
  const settings = { threads: 1, context: 1024, parallel: 1, jinja: true, batch: 64, ubatch: 64 };
  return {
    version: 1,
    gateway: { host: '127.0.0.1', port: 0 },
    machine: { memory: '4GB', reserve: '0MB' },
    devices: { cpu: { lanes: 1 } },
    runtimes: { llama: { kind: 'llama-server', device: 'cpu', binary: server, bench_binary: bench, settings } },
    models: { tiny: { runtime: 'llama', file: join(folder, 'tiny.gguf'), quality: 0.5, keep: 'resident' } },
    classes: { route: {}, interactive: {}, quality: {}, batch: {} },
    clients: [],
    bench: { idle: 'off' },
    // The kills come from outside and say nothing of an item; that an item can be given up is tested by itself.
    batch: { load_max: 1, crashes_max: 100 },
  };
}
