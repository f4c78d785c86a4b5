import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import type { BenchLease, BenchTarget } from './bench-target.ts';
import { readPeakMemory } from './fingerprint.ts';
import { type BenchSamples, PROMPT_LENGTHS, type PromptLength, type RequestSample } from './metrics/metric.ts';
import { fitPrefillLine } from './metrics/prefill-line.ts';
import { fitTextLine, type TextLine } from './metrics/text-line.ts';
import { promptText } from './prompt-text.ts';
import { type StreamedRequest, streamRequest } from './stream-request.ts';

/** How to measure one model through its server. */
export type ServedRun = {
  readonly model: ModelId;
  readonly target: BenchTarget;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly contextTokens: number;
  readonly repetitions: number;
  /** Quiet time between the last load and the first request. */
  readonly settleMs: number;
  /** Also look at the decode rate behind shorter and longer prompts; costs about a tenth of the run. */
  readonly depths: boolean;
  readonly sysroot?: string;
  readonly onStep: (step: string) => void;
};

/** What was measured, and what a reader should know about it. */
export type ServedSamples = Pick<BenchSamples, 'loadsMs' | 'requests' | 'deep' | 'peakMemoryBytes'> & {
  readonly warnings: readonly string[];
};

/** Steps {@link measureServed} reports, for the progress shown. */
export const servedSteps = (repetitions: number): number => repetitions * (1 + PROMPT_LENGTHS.length) + 2;

/**
 * Loads a model `repetitions` times, then sends it as many rounds of one prompt per length. The lengths of a round
 * take turns in going first, so that a machine that grows warmer does not slow one length more than another.
 * The child is stopped afterwards. Rejects on abort and with whatever makes a request or load fail.
 */
export async function measureServed(run: ServedRun): Promise<ServedSamples> {
  const loadsMs = await measureLoads(run);
  run.onStep('settle');
  await run.clock.sleep(run.settleMs, run.signal);
  const lease = await run.target.acquire(run.model, run.signal);
  let how: Parameters<BenchLease['release']>[0] = 'failed';
  try {
    const { requests, deep, warnings } = await measureRequests(run, lease);
    const pid = run.target.views().get(run.model)?.pid;
    const peak = pid === undefined ? undefined : readPeakMemory(pid, run.sysroot);
    how = 'ok';
    return { loadsMs, requests, deep, warnings, peakMemoryBytes: peak === undefined ? [] : [peak] };
  } catch (error) {
    if (run.signal.aborted) how = 'aborted';
    throw error;
  } finally {
    await lease.release(how);
    await run.target.unload(run.model);
  }
}

async function measureLoads(run: ServedRun): Promise<readonly number[]> {
  const loadsMs: number[] = [];
  for (let index = 0; index < run.repetitions; index += 1) {
    run.onStep(`load ${index + 1} of ${run.repetitions}`);
    await run.target.unload(run.model);
    const startedMs = run.clock.monotonicMs();
    await run.target.load(run.model, run.signal);
    loadsMs.push(run.clock.monotonicMs() - startedMs);
  }
  return loadsMs;
}

async function measureRequests(run: ServedRun, lease: BenchLease) {
  const plan = planOf(run.contextTokens);
  const text = await calibrate(run, lease);
  const firstTokens = run.depths ? Math.min(DEPTH_TOKENS, plan.outputTokens) : FIRST_TOKENS;
  const requests: RequestSample[] = [];
  const warnings = new Set<string>();
  const sample = async (length: PromptLength, promptTokens: number, repetition: number, outputTokens: number) => {
    const tokens = Math.max(1, promptTokens - text.templateTokens);
    const question = { chars: Math.max(MIN_CHARS, Math.round(tokens * text.charsPerToken)), outputTokens };
    const streamed = await ask(run, lease, question);
    if ((streamed.end.cachedTokens ?? 0) <= CACHED_TOKENS_MAX) {
      const isComplete = length === 'middle';
      return [{ repetition, length, isComplete, promptChars: question.chars, ...sampleOf(run, streamed) }];
    }
    warnings.add('the server took part of a prompt from its cache; those samples were left out');
    return [];
  };
  for (let repetition = 0; repetition < run.repetitions; repetition += 1) {
    for (let turn = 0; turn < PROMPT_LENGTHS.length; turn += 1) {
      const length = PROMPT_LENGTHS[(repetition + turn) % PROMPT_LENGTHS.length] ?? 'middle';
      run.onStep(`prompts, round ${repetition + 1} of ${run.repetitions}: ${length}`);
      const outputTokens = length === 'middle' ? plan.outputTokens : firstTokens;
      requests.push(...(await sample(length, plan.promptTokens[length], repetition, outputTokens)));
    }
  }
  run.onStep('decode behind a long prompt');
  const deepTokens = run.depths ? deepTokensOf(run.contextTokens, plan.promptTokens.long, requests) : undefined;
  const deep: RequestSample[] = [];
  for (let repetition = 0; deepTokens !== undefined && repetition < run.repetitions; repetition += 1) {
    deep.push(...(await sample('long', deepTokens, repetition, firstTokens)));
  }
  return { requests, deep, warnings: [...warnings] };
}

function sampleOf(run: ServedRun, streamed: StreamedRequest) {
  const { promptTokens, outputTokens, prefillMs, decodeMs } = streamed.end;
  if (promptTokens === undefined || outputTokens === undefined) {
    throw new GatewayError(
      'runtime_failed',
      `${run.model} answered without timings (prompt_n, predicted_n), so nothing can be measured: its runtime is too old`,
    );
  }
  const { firstMs, lastMs, endMs } = streamed;
  return { promptTokens, outputTokens, prefillMs, decodeMs, firstMs, lastMs, endMs };
}

/** Tokens generated where only the first one matters: a few, because the first may be half a character. */
const FIRST_TOKENS = 4;
/** Tokens generated where the decode rate at this depth is looked at: a third of a minute even at the slowest model. */
const DEPTH_TOKENS = 16;
/** Longest the prefill of the extra long prompt may take, by the line just measured. */
const DEEP_PREFILL_MS = 5_000;
/** Where an NPU's cached tokens come from counting twice (tokenizer, runtime), they differ by a begin-of-text token or so. */
const CACHED_TOKENS_MAX = 4;
/** Room for the seed in front of a prompt, which keeps it unique. */
const MIN_CHARS = 24;

/**
 * Lengths that tell the fixed cost from the rate without taking hours: the longest prompt is 512 tokens (four minutes
 * at the 27B's 1.9 tok/s) or a quarter of the context, the others half and an eighth of it; 32 tokens are generated.
 */
export function planOf(contextTokens: number): {
  readonly promptTokens: Readonly<Record<PromptLength, number>>;
  readonly outputTokens: number;
} {
  const long = Math.max(64, Math.min(512, Math.floor(contextTokens / 4)));
  return {
    promptTokens: { short: Math.floor(long / 8), middle: Math.floor(long / 2), long },
    outputTokens: Math.max(8, Math.min(32, Math.floor(contextTokens / 8))),
  };
}

/**
 * Length of the extra long prompt: three quarters of the context, or what {@link DEEP_PREFILL_MS} can read; undefined
 * where that is not at least twice the plan's longest, and tells little that it does not.
 */
export function deepTokensOf(
  contextTokens: number,
  longTokens: number,
  requests: readonly RequestSample[],
): number | undefined {
  const slope = fitPrefillLine({ requests })?.line.slope;
  if (slope === undefined || slope <= 0) return undefined;
  const tokens = Math.floor(Math.min((contextTokens * 3) / 4, DEEP_PREFILL_MS / slope));
  return tokens >= 2 * longTokens ? tokens : undefined;
}

/** Two requests that show how many characters make a token; they also warm the child up. */
async function calibrate(run: ServedRun, lease: BenchLease): Promise<TextLine> {
  const points: RequestSample[] = [];
  // A token is at least one character, so a quarter of the context in characters always fits.
  const longest = Math.max(2 * MIN_CHARS, Math.min(800, Math.floor(run.contextTokens / 4)));
  for (const chars of [Math.max(MIN_CHARS, Math.floor(longest / 4)), longest]) {
    const streamed = await ask(run, lease, { chars, outputTokens: 1 });
    points.push({ repetition: 0, length: 'short', isComplete: false, promptChars: chars, ...sampleOf(run, streamed) });
  }
  return fitTextLine(points) ?? { charsPerToken: 4, templateTokens: 0 };
}

function ask(run: ServedRun, lease: BenchLease, question: { readonly chars: number; readonly outputTokens: number }) {
  const text = promptText(question.chars, run.clock.randomHex(6));
  const timeoutMs = requestTimeoutMs(question.chars, question.outputTokens);
  return streamRequest(
    lease.connection,
    { model: run.model, text, outputTokens: question.outputTokens, timeoutMs },
    { clock: run.clock, signal: run.signal },
  );
}

/**
 * Longest a request may take, ms: two minutes, 2 s per prompt token (at most one per character) and 10 s per output
 * token. A fixed time-out killed slow models in earlier work (board facts, section 2); these rates are a quarter and a
 * fifth of the slowest model's.
 */
export const requestTimeoutMs = (chars: number, outputTokens: number): number =>
  120_000 + chars * 2_000 + outputTokens * 10_000;
