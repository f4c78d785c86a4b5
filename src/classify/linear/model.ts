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
import { featuresOf } from './features.ts';
import type { LinearInput } from './linear-input.ts';

/** Columns of the weight matrix: tasks first, then classes; a multiple of four, which {@link scoresOf} counts on. */
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
  // Four columns at a time: each sum is a chain of additions, and a processor works at several chains at once.
  for (let column = 0; column < OUTPUTS; column += 4) {
    let sum0 = 0;
    let sum1 = 0;
    let sum2 = 0;
    let sum3 = 0;
    for (let at = 0; at < count; at += 1) {
      const value = values[at] as number;
      const cell = (ids[at] as number) * OUTPUTS + column;
      sum0 += value * (weights[cell] as number);
      sum1 += value * (weights[cell + 1] as number);
      sum2 += value * (weights[cell + 2] as number);
      sum3 += value * (weights[cell + 3] as number);
    }
    sums[column] = (bias[column] as number) + sum0 * (scales[column] as number);
    sums[column + 1] = (bias[column + 1] as number) + sum1 * (scales[column + 1] as number);
    sums[column + 2] = (bias[column + 2] as number) + sum2 * (scales[column + 2] as number);
    sums[column + 3] = (bias[column + 3] as number) + sum3 * (scales[column + 3] as number);
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
