import type { CancelTimer, Clock } from '../../src/core/clock.ts';
import { decodeMsOf, prefillMsOf, type ServiceModel } from '../../src/core/service-model.ts';

/**
 * The course of one generation in the board's time:
 *
 *   |- prefill T_p -|- step -|- step -|- … -|- step -|
 *   begin           token 1  token 2        token N   end
 *
 * The first token falls out of the prefill, and N steps follow: the last one finds that the answer has ended. So the
 * whole takes T_p + T_d of `core/service-model`, which is also what the router reckons with.
 */
export type GenerationPlan = {
  readonly service: ServiceModel;
  readonly promptTokens: number;
  /** Of these, found in the prefix cache. */
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** What noise and drift make of the two durations. */
  readonly prefillFactor: number;
  readonly decodeFactor: number;
  /** Prompt tokens read between two looks whether the client has left. */
  readonly cancelTokens: number;
};

/** Told as time goes; `tokens` counts those that are done. */
export type GenerationListener = {
  /** More tokens are there: numbers `from` (inclusive) to `to` (exclusive), counted from 0. */
  readonly tokens: (from: number, to: number) => void;
  readonly end: () => void;
};

/** A generation that runs. */
export interface Generation {
  /** Ms of the board from the begin to the first token, and from there on; what has passed, not what was planned. */
  timings(): { readonly prefillMs: number; readonly decodeMs: number };
  /** Tokens done. */
  tokensDone(): number;
  /**
   * Tells the listener nothing more and calls `free` when the engine would notice that nobody listens: at the end of
   * the micro-batch of a prefill, or of the step of a decode. Does nothing after the end.
   */
  cancel(free: () => void): void;
}

/** Timers come about a millisecond late or early; finer steps than this, in real ms, are told together. */
const STEP_REAL_MS = 2;
/** What is due within this, in real ms, is told now: waiting for it would make it late by as much. */
const EARLY_REAL_MS = 0.5;

/** Starts a generation. One timer runs at a time, whatever the number of tokens. `speed` is that of `clock`. */
export function startGeneration(
  plan: GenerationPlan,
  listener: GenerationListener,
  { clock, speed, streamed }: { readonly clock: Clock; readonly speed: number; readonly streamed: boolean },
): Generation {
  const { service, promptTokens, outputTokens } = plan;
  const beganMs = clock.monotonicMs();
  const firstMs = beganMs + prefillMsOf(service, promptTokens, plan.cachedTokens) * plan.prefillFactor;
  /** When so many tokens are there; the first one comes out of the prefill. */
  const dueMs = (tokens: number) => firstMs + decodeMsOf(service, promptTokens, tokens) * plan.decodeFactor;
  const endMs = dueMs(outputTokens);
  let done = 0;
  let firstSeenMs = firstMs;
  let endSeenMs: number | undefined;
  let cancelTimer: CancelTimer = () => undefined;

  const tick = () => {
    const nowMs = clock.monotonicMs();
    const reachMs = nowMs + EARLY_REAL_MS * speed;
    const before = done;
    while (done < outputTokens && dueMs(done + 1) <= reachMs) done += 1;
    if (before === 0 && done > 0) firstSeenMs = nowMs;
    if (done > before) listener.tokens(before, done);
    if (done === outputTokens && endMs <= reachMs) {
      endSeenMs = nowMs;
      listener.end();
      return;
    }
    schedule(nowMs);
  };
  const schedule = (nowMs: number) => {
    const nextMs = done < outputTokens ? dueMs(done + 1) : endMs;
    // Without a reader of the tokens only the first one and the end matter.
    const wantedMs = !streamed && done > 0 ? endMs : Math.max(nextMs, nowMs + STEP_REAL_MS * speed);
    cancelTimer = clock.after(Math.max(0, Math.min(wantedMs, endMs) - nowMs), tick);
  };
  schedule(beganMs);
  return {
    timings: () => ({ prefillMs: firstSeenMs - beganMs, decodeMs: (endSeenMs ?? clock.monotonicMs()) - firstSeenMs }),
    tokensDone: () => done,
    cancel: (free) => {
      if (endSeenMs !== undefined) return;
      cancelTimer();
      const nowMs = clock.monotonicMs();
      cancelTimer = clock.after(Math.max(0, noticedMs(plan, { nowMs, beganMs, firstMs, dueMs }) - nowMs), free);
    },
  };
}

type Course = {
  readonly nowMs: number;
  readonly beganMs: number;
  readonly firstMs: number;
  readonly dueMs: (tokens: number) => number;
};

/** When an engine that looks only between two pieces of work sees that its client has left. */
function noticedMs({ promptTokens, cachedTokens, cancelTokens }: GenerationPlan, course: Course): number {
  const { nowMs, beganMs, firstMs, dueMs } = course;
  if (nowMs < firstMs) {
    const batches = Math.max(1, Math.ceil((promptTokens - cachedTokens) / cancelTokens));
    const batchMs = (firstMs - beganMs) / batches;
    return Math.min(firstMs, beganMs + Math.ceil((nowMs - beganMs) / batchMs) * batchMs);
  }
  return nowMs + (dueMs(2) - dueMs(1));
}
