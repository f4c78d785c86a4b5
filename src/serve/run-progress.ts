import type { Clock } from '../core/clock.ts';
import type { Prediction } from '../core/decision.ts';
import type { Progress } from '../core/progress.ts';
import type { LaneView } from '../core/snapshot.ts';
import type { LaneRequest, Lanes } from '../supervise/lane.ts';

/** Where a run stands; monotonic times, ms. */
export type RunState = {
  readonly predicted: Prediction;
  readonly receivedMs: number;
  /** Its request for a lane while it waits for one. */
  readonly waiting: LaneRequest | undefined;
  /** When it was given its lane. */
  readonly admittedMs: number;
  /** When the engine was given the prompt; undefined before. */
  readonly sentMs: number | undefined;
};

/** How far a run has come before its first token, by what was predicted for it and for those before it. */
export function progressOf(
  { clock, lanes }: { readonly clock: Clock; readonly lanes: Pick<Lanes, 'queuePosition' | 'view'> },
  { predicted, receivedMs, waiting, admittedMs, sentMs }: RunState,
): Progress {
  const nowMs = clock.monotonicMs();
  const elapsedMs = nowMs - receivedMs;
  const { loadMs, prefillMs } = predicted;
  const ahead = waiting === undefined ? undefined : lanes.queuePosition(waiting);
  const lane = waiting === undefined ? undefined : lanes.view(waiting.device);
  if (ahead !== undefined && lane !== undefined) {
    return { phase: 'queue', ahead, elapsedMs, remainingMs: waitMs(lane, ahead) + loadMs + prefillMs };
  }
  if (sentMs !== undefined) {
    return { phase: 'prefill', elapsedMs, remainingMs: Math.max(0, prefillMs - (nowMs - sentMs)) };
  }
  return { phase: 'load', elapsedMs, remainingMs: Math.max(0, loadMs - (nowMs - admittedMs)) + prefillMs };
}

// What runs ends one lane after another; those who wait before share the lanes.
function waitMs({ lanes, running, waiting }: LaneView, ahead: number): number {
  const firstFreeMs = running.length < lanes ? 0 : Math.min(...running.map(({ remainingMs }) => remainingMs));
  const before = waiting.slice(0, ahead).reduce((sum, { remainingMs }) => sum + remainingMs, 0);
  return firstFreeMs + before / Math.max(1, lanes);
}
