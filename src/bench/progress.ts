import type { Clock } from '../core/clock.ts';
import type { ModelId } from '../core/ids.ts';
import type { BenchProgress } from './bench-target.ts';

/** Counts the steps of a run and guesses what is left. */
export interface ProgressMeter {
  /** A model's turn begins; steps the one before did not need count as done. */
  startModel(model: ModelId): void;
  /** A step begins. */
  step(text: string): void;
  /** Says something without counting a step. */
  note(text: string): void;
}

/** A meter for `models`, each `stepsPerModel` steps long; without a listener it does nothing. */
export function createProgress(
  models: readonly ModelId[],
  stepsPerModel: number,
  clock: Clock,
  listener: (progress: BenchProgress) => void = () => {},
): ProgressMeter {
  const startedMs = clock.monotonicMs();
  const total = models.length * stepsPerModel;
  let model = models[0];
  let done = 0;
  // Steps of models that could not run took no time, and say nothing of how long the others take.
  let worked = 0;

  const tell = (step: string) => {
    if (model === undefined) return;
    const elapsedMs = clock.monotonicMs() - startedMs;
    const etaMs = worked === 0 ? undefined : (elapsedMs / worked) * (total - done);
    listener({ model, step, done, total, etaMs });
  };
  return {
    startModel: (next) => {
      model = next;
      done = models.indexOf(next) * stepsPerModel;
      tell('start');
    },
    step: (text) => {
      tell(text);
      done = Math.min(total, done + 1);
      worked += 1;
    },
    note: tell,
  };
}
