import { join } from 'node:path';
import { systemClock } from '../../src/core/clock.ts';
import { packageRoot } from '../../src/core/package-root.ts';
import { seededRandom } from '../../src/core/random.ts';
import { ask, findBatch, hasEnded, readLines, type SeenBatch, submitBatch } from './batch-calls.ts';
import { startServing, waitFor } from './served-process.ts';

/** What is run: a batch on a simulated RK3588, by `sluice serve --simulate`. */
export type NightOptions = {
  readonly dataDir: string;
  readonly speed: number;
  readonly items: number;
  /** Board time until the deadline, hours. */
  readonly hours: number;
  readonly seed: number;
};

/** How it went, in board time. */
export type ServedNight = {
  readonly status: string;
  /** Predictions on the way: hours since the batch was sent, hours at which it was to end, share of items done. */
  readonly predictions: readonly { readonly atH: number; readonly endH: number; readonly done: number }[];
  readonly actualH: number;
  readonly promised: boolean;
  readonly inTime: boolean;
  /** The first prediction's error, as a share of the time the batch took. */
  readonly error: number;
  readonly planned: Readonly<Record<string, number>>;
  readonly used: Readonly<Record<string, number>>;
};

const HOUR_MS = 3_600_000;
const ASK_EVERY_MS = 500;

/** Runs it; takes the board's time divided by `speed`. */
export async function runServedNight(options: NightOptions): Promise<ServedNight> {
  const { dataDir, speed, seed, items, hours } = options;
  const policy = join(packageRoot(), 'routing-policy.yaml');
  const gateway = await startServing([
    ...['--simulate', 'rk3588', '--speed', String(speed), '--seed', String(seed)],
    ...['--policy', policy, '--data', dataDir],
  ]);
  try {
    const { url } = gateway;
    await waitFor('the resident models', async () => (await residentsReady(url)) || undefined);
    const sent = await submitBatch(url, inputOf(items, seed), { completionWindow: `${hours}h` });
    const first = await waitFor('a prediction', async () => {
      const seen = await findBatch(url, sent.id);
      return typeof seen.x_router.predicted_finish === 'string' ? seen : undefined;
    });
    const predictions = [await predictionOf(url, sent, first)];
    const batch = await waitFor(
      'the end of the batch',
      async () => {
        const seen = await findBatch(url, sent.id);
        if (hasEnded(seen)) return seen;
        if (typeof seen.x_router.predicted_finish === 'string') predictions.push(await predictionOf(url, sent, seen));
        await systemClock.sleep(ASK_EVERY_MS);
        return undefined;
      },
      (2 * hours * HOUR_MS) / speed,
    );
    const actualH = ((batch.completed_at ?? Number.NaN) - sent.created_at) / 3600;
    const used: Record<string, number> = {};
    for (const { response } of await readLines(url, batch.output_file_id)) {
      const { model } = (response?.body ?? { model: 'none' }) as { readonly model: string };
      used[model] = (used[model] ?? 0) + 1;
    }
    const endH = predictions[0]?.endH ?? Number.NaN;
    return {
      ...{ status: batch.status, predictions: thinned(predictions), actualH, used },
      promised: first.x_router.promised === true,
      inTime: actualH <= hours,
      error: (endH - actualH) / actualH,
      planned: first.x_router.planned ?? {},
    };
  } finally {
    await gateway.stop();
  }
}

async function residentsReady(url: string): Promise<boolean> {
  type Model = { readonly keep: { readonly kind: string }; readonly state: { readonly kind: string } };
  const { models } = await ask<{ readonly models: readonly Model[] }>(`${url}/router/models`);
  return models.every(({ keep, state }) => keep.kind !== 'resident' || state.kind === 'ready');
}

async function predictionOf(
  url: string,
  sent: SeenBatch,
  seen: SeenBatch,
): Promise<ServedNight['predictions'][number]> {
  const status = await ask<{ readonly started_at: string; readonly uptime_s: number }>(`${url}/router/status`);
  const nowS = Date.parse(status.started_at) / 1000 + status.uptime_s;
  const endS = Date.parse(seen.x_router.predicted_finish ?? '') / 1000;
  const { completed, total } = seen.request_counts;
  return { atH: (nowS - sent.created_at) / 3600, endH: (endS - sent.created_at) / 3600, done: completed / total };
}

const SHOWN = 10;

const thinned = <Value>(values: readonly Value[]): readonly Value[] =>
  values.filter((_, index) => index % Math.max(1, Math.floor(values.length / SHOWN)) === 0);

// Prompts of 400 to 2,000 characters; answers as long as the routing study found those of batches.
function inputOf(items: number, seed: number): string {
  const random = seededRandom(seed);
  const line = (index: number) => ({
    custom_id: `item-${index + 1}`,
    method: 'POST',
    url: '/v1/chat/completions',
    body: {
      model: 'auto',
      messages: [{ role: 'user', content: 'What is it? '.repeat(33 + Math.floor(random() * 133)) }],
      simulated: { class: 'batch' },
    },
  });
  return Array.from({ length: items }, (_, index) => `${JSON.stringify(line(index))}\n`).join('');
}
