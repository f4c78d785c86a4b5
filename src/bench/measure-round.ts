import { GatewayError } from '../core/errors.ts';
import type { BenchLease, BenchTarget } from './bench-target.ts';
import { watched } from './disturbance.ts';
import { readPeakMemory, readProportionalMemory } from './fingerprint.ts';
import type { Journal } from './journal.ts';
import { PROMPT_LENGTHS, type PromptLength } from './metrics/metric.ts';
import type { TextLine } from './metrics/text-line.ts';
import { CACHED_SHARE, type PageCache } from './page-cache.ts';
import { type BenchSample, samplesOf, type TimedRequest } from './samples.ts';
import { ask, readAnswer, type ServedAsk } from './served-ask.ts';
import { deepTokensOf, planOf } from './served-plan.ts';

/** How to measure one model through a server that runs. */
export type ServedChild = ServedAsk & {
  readonly target: Pick<BenchTarget, 'views'>;
  readonly journal: Journal;
  readonly contextTokens: number;
  /** Also look at prefill and decode behind shorter and longer prompts. */
  readonly depths: boolean;
  readonly usesNpu: boolean;
  readonly sysroot?: string;
  readonly onStep: (step: string) => void;
  /** Told of what a reader should know; once per text is enough. */
  readonly warn: (warning: string) => void;
};

/** How to measure one model through its server, loads included. */
export type ServedModel = ServedChild & {
  readonly file: string;
  readonly target: BenchTarget;
  /** Quiet time between a load and the first request. */
  readonly settleMs: number;
  /** Also load with the file dropped from the page cache. */
  readonly coldLoads: boolean;
  readonly pageCache: PageCache;
};

/** Steps {@link measureRound} reports at most, for the progress shown. */
export const STEPS_PER_ROUND = 3 + PROMPT_LENGTHS.length;

/**
 * One round of a model: loads (from storage where the page cache can be emptied, then from the cache), one prompt of each
 * length in turns, the extra long prompt, memory, unload. What the journal has already is not measured again. The child
 * is stopped afterwards. Rejects on abort and with whatever makes a request or load fail.
 */
export async function measureRound(run: ServedModel, round: number): Promise<void> {
  if (isMeasured(run, round)) return;
  run.onStep(`loads, round ${round + 1}`);
  await measureLoads(run, round);
  run.onStep(`settle, round ${round + 1}`);
  await run.clock.sleep(run.settleMs, run.signal);
  const lease = await run.target.acquire(run.model, run.signal);
  let how: Parameters<BenchLease['release']>[0] = 'failed';
  try {
    await measureOnChild(run, { round, lease });
    how = 'ok';
  } catch (error) {
    if (run.signal.aborted) how = 'aborted';
    throw error;
  } finally {
    await lease.release(how);
    await unload(run, round, how === 'ok');
  }
}

/**
 * The part of a round that needs no load of its own: one prompt of each length in turns, the extra long prompt, memory.
 * Rejects as {@link measureRound} does; the lease stays the caller's.
 */
export async function measureOnChild(
  run: ServedChild,
  { round, lease }: { readonly round: number; readonly lease: BenchLease },
): Promise<void> {
  if (isMeasured(run, round)) return;
  await measureRequests(run, { round, lease, lengths: lengthsOf(round) });
  once(run, stepOf(round, 'memory'), () => [memorySample(run, round)]);
}

/** The lengths take turns in going first, so that a machine that grows warmer does not slow one of them alone. */
const lengthsOf = (round: number): readonly PromptLength[] =>
  PROMPT_LENGTHS.map((_, turn) => PROMPT_LENGTHS[(round + turn) % PROMPT_LENGTHS.length] ?? 'middle');

const isMeasured = (run: ServedChild, round: number): boolean =>
  [...PROMPT_LENGTHS, 'deep', 'memory'].every((name) => run.journal.has(run.model, stepOf(round, name)));

const stepOf = (round: number, name: string): string => `${round} ${name}`;

function once(run: ServedChild, step: string, measure: () => readonly BenchSample[]): void {
  if (!run.journal.has(run.model, step)) run.journal.add(run.model, step, measure());
}

/** Three loads from storage tell enough of a disk, and one where it takes minutes. */
const COLD_ROUNDS = 3;
const COLD_LONG_MS = 120_000;

async function measureLoads(run: ServedModel, round: number): Promise<void> {
  await run.target.unload(run.model);
  const known = run.journal.samples(run.model).filter((sample) => sample.kind === 'load');
  const wasLong = known.some(({ from, ms }) => from === 'storage' && ms > COLD_LONG_MS);
  const coldStep = stepOf(round, 'cold load');
  if (run.coldLoads && round < COLD_ROUNDS && !wasLong && !run.journal.has(run.model, coldStep)) {
    if (await run.pageCache.drop(run.file)) {
      run.journal.add(run.model, coldStep, [await timedLoad(run, round, 'storage')]);
      await run.target.unload(run.model);
    } else {
      run.warn(
        'the file could not be dropped from the page cache (dd, fincore), so loads from storage were not measured',
      );
    }
  }
  const share = await run.pageCache.residentShare(run.file);
  if (share !== undefined && share < CACHED_SHARE) {
    // Other models of the run, or the machine's own work, have pushed it out: this load only brings it back.
    const sample = await timedLoad(run, round, 'storage');
    if (share === 0) once(run, coldStep, () => [sample]);
    await run.target.unload(run.model);
  }
  const sample = await timedLoad(run, round, 'cache');
  once(run, stepOf(round, 'load'), () => [sample]);
}

async function timedLoad(run: ServedModel, round: number, from: 'storage' | 'cache'): Promise<BenchSample> {
  const { value: ms, flags } = await watched(workOf(run), async () => {
    const startedMs = run.clock.monotonicMs();
    await run.target.load(run.model, run.signal);
    return run.clock.monotonicMs() - startedMs;
  });
  return { kind: 'load', round, from, ms, flags };
}

async function unload(run: ServedModel, round: number, isMeasured: boolean): Promise<void> {
  const startedMs = run.clock.monotonicMs();
  await run.target.unload(run.model);
  const ms = run.clock.monotonicMs() - startedMs;
  if (isMeasured) once(run, stepOf(round, 'unload'), () => [{ kind: 'unload', round, flags: [], ms }]);
}

const workOf = (run: ServedChild) => ({
  clock: run.clock,
  usesNpu: run.usesNpu,
  pids: () => {
    const pid = run.target.views().get(run.model)?.pid;
    return pid === undefined ? [] : [pid];
  },
  ...(run.sysroot === undefined ? {} : { sysroot: run.sysroot }),
});

type Round = { readonly round: number; readonly lease: BenchLease; readonly lengths: readonly PromptLength[] };

/** Tokens generated where only the first one matters: a few, because the first may be half a character. */
const FIRST_TOKENS = 4;
/** Tokens generated where the decode rate at this depth is looked at: a third of a minute even at the slowest model. */
const DEPTH_TOKENS = 16;

async function measureRequests(run: ServedChild, { round, lease, lengths }: Round): Promise<void> {
  const plan = planOf(run.contextTokens);
  // Made anew in each round, because it warms the new child up as well.
  const text = await calibrate(run, lease);
  const firstTokens = run.depths ? Math.min(DEPTH_TOKENS, plan.outputTokens) : FIRST_TOKENS;
  const measure = async (length: PromptLength | 'deep', promptTokens: number, outputTokens: number) => {
    const step = stepOf(round, length);
    if (run.journal.has(run.model, step)) return;
    run.onStep(`${length} prompt, round ${round + 1}`);
    const chars = Math.max(MIN_CHARS, Math.round(Math.max(1, promptTokens - text.templateTokens) * text.charsPerToken));
    const { value: answer, flags } = await watched(workOf(run), () => readAnswer(run, lease, { chars, outputTokens }));
    run.journal.add(run.model, step, sampleOf(run, { round, length, answer, flags }));
  };
  for (const length of lengths) {
    await measure(length, plan.promptTokens[length], length === 'middle' ? plan.outputTokens : firstTokens);
  }
  const known = samplesOf(run.journal.samples(run.model));
  const deepTokens = run.depths ? deepTokensOf(run.contextTokens, plan.promptTokens.long, known.requests) : undefined;
  if (deepTokens === undefined) run.journal.add(run.model, stepOf(round, 'deep'), []);
  else await measure('deep', deepTokens, firstTokens);
}

/** Where an NPU's cached tokens come from counting twice (tokenizer, runtime), they differ by a begin-of-text token or so. */
const CACHED_TOKENS_MAX = 4;

type Answered = {
  readonly round: number;
  readonly length: PromptLength | 'deep';
  readonly answer: { readonly timed: TimedRequest; readonly cachedTokens: number };
  readonly flags: readonly string[];
};

function sampleOf(run: ServedChild, { round, length, answer, flags }: Answered): readonly BenchSample[] {
  if (answer.cachedTokens <= CACHED_TOKENS_MAX) return [{ kind: 'request', round, length, flags, ...answer.timed }];
  run.warn('the server took part of a prompt from its cache; those samples were left out');
  return [];
}

/** Room for the seed in front of a prompt, which keeps it unique. */
const MIN_CHARS = 24;

/** Two requests that show how many characters make a token; they also warm the child up. */
async function calibrate(run: ServedChild, lease: BenchLease): Promise<TextLine> {
  // A token is at least one character, so a quarter of the context in characters always fits.
  const longest = Math.max(2 * MIN_CHARS, Math.min(800, Math.floor(run.contextTokens / 4)));
  return ask(run, lease, [Math.max(MIN_CHARS, Math.floor(longest / 4)), longest]);
}

function memorySample(run: ServedChild, round: number): BenchSample {
  const pid = run.target.views().get(run.model)?.pid;
  if (pid === undefined) throw new GatewayError('runtime_failed', `${run.model} has ended while it was measured`);
  return {
    kind: 'memory',
    round,
    flags: [],
    peakBytes: readPeakMemory(pid, run.sysroot),
    proportionalBytes: readProportionalMemory(pid, run.sysroot),
  };
}
