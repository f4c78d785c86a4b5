import type { Clock } from '../core/clock.ts';
import type { ModelId } from '../core/ids.ts';
import type { BenchProgress } from './bench-target.ts';

/** One turn of a model: a round, its sustained run, or a pair it is part of. */
export type ProgressPart = { readonly model: ModelId; readonly steps: number };

/** Counts the steps of a run and guesses what is left. */
export interface ProgressMeter {
  /** The part of this number begins; steps the ones before did not need count as done. */
  startPart(index: number): void;
  /** A step begins. */
  step(text: string): void;
  /** Says something without counting a step. */
  note(text: string): void;
  /** Everything is done. */
  finish(): void;
}

/** A meter for these parts; without a listener it does nothing. */
export function createProgress(
  parts: readonly ProgressPart[],
  clock: Clock,
  listener: (progress: BenchProgress) => void = () => {},
): ProgressMeter {
  const startedMs = clock.monotonicMs();
  const stepsBefore = (index: number) => parts.slice(0, index).reduce((sum, part) => sum + part.steps, 0);
  const total = stepsBefore(parts.length);
  let model = parts[0]?.model;
  let done = 0;
  let end = total;
  // Steps of models that could not run took no time, and say nothing of how long the others take.
  let worked = 0;

  const tell = (step: string) => {
    if (model === undefined) return;
    const elapsedMs = clock.monotonicMs() - startedMs;
    const etaMs = worked === 0 ? undefined : (elapsedMs / worked) * (total - done);
    listener({ model, step, done, total, etaMs });
  };
  return {
    startPart: (index) => {
      model = parts[index]?.model ?? model;
      done = stepsBefore(index);
      end = stepsBefore(index + 1);
      tell('start');
    },
    step: (text) => {
      tell(text);
      done = Math.min(end, done + 1);
      worked += 1;
    },
    note: tell,
    finish: () => {
      done = total;
      tell('done');
    },
  };
}
