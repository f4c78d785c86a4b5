import { MODEL_CLASSES, type ModelClass, type Task } from '../../core/classes.ts';
import type { Guess } from '../../core/guess.ts';
import type { Example } from './corpus.ts';

/** How often a classifier is right, and how well it knows. Shares are 0..1. */
export type Evaluation = {
  readonly n: number;
  readonly taskAccuracy: number;
  readonly classAccuracy: number;
  /** Rows are the true classes, columns the guessed ones, in the order of `MODEL_CLASSES`. */
  readonly confusion: readonly (readonly number[])[];
  /** Expected calibration error over ten equal bins of the told probability. */
  readonly taskCalibrationError: number;
  readonly classCalibrationError: number;
  /** Among the guesses told with at least this probability: their share of all, and how many of them are right. */
  readonly confident: { readonly threshold: number; readonly task: Confident; readonly class: Confident };
};

/** See {@link Evaluation}. Accuracy is undefined where nobody was confident. */
export type Confident = { readonly share: number; readonly accuracy: number | undefined };

type Judged = { readonly isRight: boolean; readonly share: number };

/** Compares a classifier with the labels. An empty list gives zeros. */
export function evaluate(
  examples: readonly Example[],
  guess: (example: Example) => Guess,
  threshold: number,
): Evaluation {
  const confusion = MODEL_CLASSES.map(() => MODEL_CLASSES.map(() => 0));
  const tasks: Judged[] = [];
  const classes: Judged[] = [];
  for (const example of examples) {
    const answer = guess(example);
    tasks.push({ isRight: answer.task === example.task, share: answer.taskShare ?? 1 });
    classes.push({ isRight: answer.class === example.class, share: answer.classShare ?? 1 });
    const row = confusion[MODEL_CLASSES.indexOf(example.class)];
    const column = MODEL_CLASSES.indexOf(answer.class);
    if (row !== undefined) row[column] = (row[column] ?? 0) + 1;
  }
  return {
    n: examples.length,
    taskAccuracy: accuracyOf(tasks) ?? 0,
    classAccuracy: accuracyOf(classes) ?? 0,
    confusion,
    taskCalibrationError: calibrationError(tasks),
    classCalibrationError: calibrationError(classes),
    confident: { threshold, task: confidentOf(tasks, threshold), class: confidentOf(classes, threshold) },
  };
}

/** Labels of a list counted by class and task, for reports. */
export function countLabels(
  examples: readonly { readonly class: ModelClass; readonly task: Task }[],
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const example of examples) {
    for (const label of [example.class, example.task]) counts[label] = (counts[label] ?? 0) + 1;
  }
  return counts;
}

function accuracyOf(judged: readonly Judged[]): number | undefined {
  return judged.length === 0 ? undefined : judged.filter(({ isRight }) => isRight).length / judged.length;
}

function calibrationError(judged: readonly Judged[]): number {
  const bins = Array.from({ length: 10 }, () => ({ n: 0, right: 0, told: 0 }));
  for (const { isRight, share } of judged) {
    const bin = bins[Math.min(9, Math.floor(share * 10))];
    if (bin === undefined) continue;
    bin.n += 1;
    bin.right += isRight ? 1 : 0;
    bin.told += share;
  }
  const error = bins.reduce((sum, bin) => sum + Math.abs(bin.right - bin.told), 0);
  return judged.length === 0 ? 0 : error / judged.length;
}

function confidentOf(judged: readonly Judged[], threshold: number): Confident {
  const confident = judged.filter(({ share }) => share >= threshold);
  return { share: judged.length === 0 ? 0 : confident.length / judged.length, accuracy: accuracyOf(confident) };
}
