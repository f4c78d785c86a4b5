import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock as clock } from '../../src/core/clock.ts';
import { drawLogNormal, seededRandom } from '../../src/core/random.ts';
import { ask, findBatch, submitBatch } from './batch-calls.ts';
import { startServing, waitFor } from './served-process.ts';

// The same requests of people on the same simulated board, with a batch beside them or without. When they come, how long
// their answers are and how lucky the board is with each is drawn beforehand from the seed, so that two runs differ in
// what stands in a request's way and in nothing else.

/** What is run. */
export type ProbeOptions = {
  readonly policyFile: string;
  /** What Node is given to be the gateway. */
  readonly program: readonly string[];
  readonly board: string;
  /** How many times as fast as on the board everything goes. */
  readonly speed: number;
  readonly seed: number;
  readonly requests: number;
  /** Mean time between two requests, seconds of the board. */
  readonly gapSec: number;
  /** Lines of the batch beside them; 0 = none. */
  readonly items: number;
  /** Told of every request and every event; times in ms of the board since the first gap began. */
  readonly trace?: ((line: object) => void) | undefined;
};

/** What came of one request; `e2eMs` is infinite where there was no answer. */
export type ProbedRequest = { readonly count: number; readonly ttftMs: number; readonly e2eMs: number };

/** What came of a run. */
export type ProbeResult = {
  readonly requests: readonly ProbedRequest[];
  /** Lines of the batch that were done, and how often one made way; 0 without a batch. */
  readonly items: number;
  readonly preempted: number;
};

/** Runs it; takes `requests * gapSec / speed` seconds and what the last answers need. */
export async function runProbe(options: ProbeOptions): Promise<ProbeResult> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sluice-batch-probe-'));
  const simulation = ['--simulate', options.board, '--speed', `${options.speed}`, '--seed', `${options.seed}`];
  const args = [...simulation, '--policy', options.policyFile, '--data', dataDir];
  const gateway = await startServing(args, options.program);
  try {
    return await probe(gateway.url, options);
  } finally {
    await gateway.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function probe(url: string, options: ProbeOptions): Promise<ProbeResult> {
  await waitFor('the resident models', async () => {
    type Model = { readonly keep: { readonly kind: string }; readonly state: { readonly kind: string } };
    const { models } = await ask<{ readonly models: readonly Model[] }>(`${url}/router/models`);
    return models.every(({ keep, state }) => keep.kind !== 'resident' || state.kind === 'ready') || undefined;
  });
  const startMs = clock.monotonicMs();
  const sinceMs = () => Math.round((clock.monotonicMs() - startMs) * options.speed);
  const listening = new AbortController();
  const { trace } = options;
  if (trace !== undefined)
    listen(url, listening.signal, (event) => trace({ kind: 'event', atMs: sinceMs(), ...event }));
  const batch = options.items > 0 ? await submitBatch(url, input(options.items)) : undefined;
  const answers: Promise<ProbedRequest>[] = [];
  for (const wanted of drawRequests(options)) {
    await clock.sleep(Math.max(0, wanted.atMs / options.speed - (clock.monotonicMs() - startMs)));
    const atMs = sinceMs();
    const seen = trace === undefined ? undefined : ask<object>(`${url}/router/status`);
    answers.push(
      answerOf(url, wanted).then(async ({ answered, ...rest }) => {
        trace?.({ kind: 'request', ...wanted, atMs, ...rest, ...answered, before: await seen });
        return rest;
      }),
    );
  }
  const requests = await Promise.all(answers);
  listening.abort();
  const found = batch === undefined ? undefined : await findBatch(url, batch.id);
  const [items, preempted] = [found?.request_counts.completed ?? 0, found?.x_router.preempted ?? 0];
  return { requests, items, preempted };
}

type WantedRequest = {
  readonly count: number;
  /** Since the run began, ms of the board. */
  readonly atMs: number;
  readonly tokens: number;
  /** Luck of its prefill and its decode. */
  readonly factors: readonly [prefill: number, decode: number];
};

/** Median and spread of the study's interactive answers, tokens; and of the board's times. */
const ANSWER = { median: 55, sigma: 0.5 } as const;
const LUCK_SIGMA = 0.1;

function drawRequests({ requests, gapSec, seed }: ProbeOptions): readonly WantedRequest[] {
  const random = seededRandom(seed);
  let atMs = 0;
  return Array.from({ length: requests }, (_, count) => {
    atMs -= Math.log(1 - random()) * gapSec * 1000;
    const tokens = Math.max(1, Math.round(drawLogNormal(random, ANSWER.median, ANSWER.sigma)));
    return { count, atMs, tokens, factors: [drawLuck(random), drawLuck(random)] as const };
  });
}

const drawLuck = (random: () => number): number => drawLogNormal(random, 1, LUCK_SIGMA);

type Answer = {
  readonly x_router: {
    readonly model: string;
    readonly reason: string;
    readonly predicted: object;
    readonly actual: { readonly ttft_ms: number; readonly e2e_ms: number };
  };
};

// In board time, as the gateway saw it.
async function answerOf(url: string, { count, tokens, factors }: WantedRequest) {
  const [prefill, decode] = factors;
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'x-router-class': 'interactive' },
    body: JSON.stringify({
      model: 'auto:interactive',
      messages: [{ role: 'user', content: `Question ${count}: what is it? ${'Tell me more. '.repeat(8)}` }],
      simulated: { output_tokens: tokens, prefill_factor: prefill, decode_factor: decode },
    }),
  });
  const text = await response.text();
  const never = Number.POSITIVE_INFINITY;
  if (!response.ok) return { count, ttftMs: never, e2eMs: never, answered: { error: text.slice(0, 500) } };
  const { model, reason, predicted, actual } = (JSON.parse(text) as Answer).x_router;
  return { count, ttftMs: actual.ttft_ms, e2eMs: actual.e2e_ms, answered: { model, reason, predicted, actual } };
}

// Each begins with words of its own, so that its prompt has to be read.
function input(items: number): string {
  const line = (index: number) => {
    const messages = [{ role: 'user', content: `${index}. document: ${'What is it? '.repeat(60)}` }];
    const body = { model: 'auto', messages, simulated: { class: 'batch' } };
    return JSON.stringify({ custom_id: `item-${index}`, method: 'POST', url: '/v1/chat/completions', body });
  };
  return Array.from({ length: items }, (_, index) => line(index + 1)).join('\n');
}

function listen(url: string, signal: AbortSignal, heard: (event: object) => void): void {
  const read = async () => {
    const response = await fetch(`${url}/router/events`, { signal });
    const decoder = new TextDecoder();
    let rest = '';
    for await (const bytes of response.body ?? []) {
      const lines = (rest + decoder.decode(bytes as Uint8Array, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (!line.startsWith('data:')) continue;
        const { candidates, ...event } = JSON.parse(line.slice('data:'.length)) as Record<string, unknown>;
        heard({ event });
      }
    }
  };
  // It ends with the run, by the signal.
  read().catch(() => undefined);
}
