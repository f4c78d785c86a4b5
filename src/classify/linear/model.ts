/**
 * Softmax regression over hashed features: two linear maps that share their features, one to the eight tasks and one
 * to the four classes.
 *
 *   z_k = b_k + Σ_i w_ik · x_i          p_k = exp(z_k / T) / Σ_j exp(z_j / T)
 *
 * Weights are one byte each, w = q · s_k. T is one temperature per head, fitted on a validation split, so that of all
 * requests told with p = 0.8 about eight in ten are right.
 */
import { MODEL_CLASSES, TASKS } from '../../core/classes.ts';
import type { Guess } from '../../core/guess.ts';
import type { FeatureVector } from './feature-vector.ts';
import { featuresOf, type LinearInput } from './features.ts';

/** Columns of the weight matrix: tasks first, then classes. */
export const OUTPUTS = TASKS.length + MODEL_CLASSES.length;

/** A trained model as it is used. */
export type LinearModel = {
  /** Row-major: one row of {@link OUTPUTS} bytes per bucket. */
  readonly weights: Int8Array;
  /** What one step of a column's bytes is worth. */
  readonly scales: Float32Array;
  readonly bias: Float32Array;
  readonly taskTemperature: number;
  readonly classTemperature: number;
};

/** Task and class with their calibrated probabilities. Same input, same answer. */
export function guessLinear(model: LinearModel, input: LinearInput): Guess {
  const scores = scoresOf(model, featuresOf(input));
  const task = likeliest(scores, { from: 0, to: TASKS.length, temperature: model.taskTemperature });
  const modelClass = likeliest(scores, { from: TASKS.length, to: OUTPUTS, temperature: model.classTemperature });
  return {
    by: 'linear',
    task: TASKS[task.index] ?? 'chat',
    taskShare: task.share,
    class: MODEL_CLASSES[modelClass.index] ?? 'interactive',
    classShare: modelClass.share,
  };
}

const sums = new Float64Array(OUTPUTS);

/** The scores z before temperature. The array is reused by the next call. */
export function scoresOf(model: LinearModel, features: FeatureVector): Float64Array {
  const { weights, scales, bias } = model;
  const { ids, values, count } = features;
  // Column by column: a sum stays in a register, and the rows are in the cache after the first.
  for (let column = 0; column < OUTPUTS; column += 1) {
    let sum = 0;
    for (let at = 0; at < count; at += 1) {
      sum += (values[at] as number) * (weights[(ids[at] as number) * OUTPUTS + column] as number);
    }
    sums[column] = (bias[column] as number) + sum * (scales[column] as number);
  }
  return sums;
}

/** Index of the largest score counted from `from`, and its probability under the temperature. */
export function likeliest(
  scores: Float64Array,
  head: { readonly from: number; readonly to: number; readonly temperature: number },
): { readonly index: number; readonly share: number } {
  let best = head.from;
  for (let at = head.from + 1; at < head.to; at += 1) {
    if ((scores[at] as number) > (scores[best] as number)) best = at;
  }
  let sum = 0;
  for (let at = head.from; at < head.to; at += 1) {
    sum += Math.exp(((scores[at] as number) - (scores[best] as number)) / head.temperature);
  }
  return { index: best - head.from, share: 1 / sum };
}
