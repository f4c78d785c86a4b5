/**
 * Trains the linear classifier: multinomial logistic regression by AdaGrad, one example at a time, in an order drawn
 * from a seed. Deterministic: the same examples and settings give the same bytes on every machine, because only
 * IEEE additions, multiplications, square roots and exponentials of the same engine are used.
 */
import { MODEL_CLASSES, TASKS } from '../../core/classes.ts';
import type { Example } from './corpus.ts';
import { BUCKETS, FEATURES_MAX } from './feature-vector.ts';
import { featuresOf } from './features.ts';
import { type LinearModel, OUTPUTS, scoresOf } from './model.ts';

/** What steers a training. */
export type TrainSettings = {
  readonly epochs: number;
  /** First step of AdaGrad. */
  readonly rate: number;
  /** Pull of every touched weight towards zero, per step. */
  readonly decay: number;
  /**
   * Share of an example's features that is hidden at each step, 0..1, the rest counting the more (Srivastava et al. 2014).
   * With few examples a model leans on the one word that happens to decide them all; hiding it teaches it the others.
   */
  readonly dropout: number;
  readonly seed: number;
  /** How much more an example counts; 1 for all when absent. */
  readonly weightOf?: (index: number) => number;
  /** Called after every epoch; may wait, so that others get their turn. */
  readonly onEpoch?: (done: number, meanLoss: number) => void | Promise<void>;
};

/** Found by cross-validation over training and validation split. */
export const TRAIN_DEFAULTS: TrainSettings = { epochs: 20, rate: 0.3, decay: 3e-4, dropout: 0.5, seed: 7 };

type Prepared = {
  readonly ids: Uint16Array;
  readonly values: Float32Array;
  readonly task: number;
  readonly class: number;
};

/** Trains on all examples. Temperatures are 1: see `fitTemperatures`. */
export async function trainLinear(examples: readonly Example[], settings: TrainSettings): Promise<LinearModel> {
  const prepared = examples.map(prepare);
  const state = {
    weights: new Float32Array(BUCKETS * OUTPUTS),
    squares: new Float32Array(BUCKETS * OUTPUTS),
    bias: new Float32Array(OUTPUTS),
    biasSquares: new Float32Array(OUTPUTS),
  };
  const mean = { weights: new Float32Array(BUCKETS * OUTPUTS), bias: new Float32Array(OUTPUTS) };
  // The mean of the later epochs depends less on the order of the examples than the last weights (Polyak and Juditsky 1992).
  const meanFrom = Math.floor(settings.epochs / 2);
  const order = prepared.map((_, index) => index);
  const random = generator(settings.seed);
  for (let epoch = 0; epoch < settings.epochs; epoch += 1) {
    shuffle(order, random);
    let loss = 0;
    for (const index of order) {
      const example = prepared[index];
      if (example === undefined) continue;
      const shown = settings.dropout === 0 ? example : withHidden(example, settings.dropout, random);
      loss += step(state, shown, { ...settings, weight: settings.weightOf?.(index) ?? 1 });
    }
    if (epoch >= meanFrom) {
      addShare(mean.weights, state.weights, settings.epochs - meanFrom);
      addShare(mean.bias, state.bias, settings.epochs - meanFrom);
    }
    await settings.onEpoch?.(epoch + 1, loss / Math.max(1, order.length));
  }
  return quantize(mean.weights, mean.bias);
}

function addShare(sum: Float32Array, addend: Float32Array, parts: number): void {
  for (let at = 0; at < sum.length; at += 1) sum[at] = (sum[at] as number) + (addend[at] as number) / parts;
}

function prepare(example: Example): Prepared {
  const { ids, values, count } = featuresOf(example.input);
  return {
    ids: ids.slice(0, count),
    values: values.slice(0, count),
    task: TASKS.indexOf(example.task),
    class: TASKS.length + MODEL_CLASSES.indexOf(example.class),
  };
}

// Scratch arrays, because some million features are hidden in a training.
const shownIds = new Uint16Array(FEATURES_MAX);
const shownValues = new Float32Array(FEATURES_MAX);

function withHidden(example: Prepared, share: number, random: () => number): Prepared {
  let shown = 0;
  for (let at = 0; at < example.ids.length; at += 1) {
    if (random() < share) continue;
    shownIds[shown] = example.ids[at] as number;
    shownValues[shown] = (example.values[at] as number) / (1 - share);
    shown += 1;
  }
  return { ...example, ids: shownIds.subarray(0, shown), values: shownValues.subarray(0, shown) };
}

type State = {
  readonly weights: Float32Array;
  readonly squares: Float32Array;
  readonly bias: Float32Array;
  readonly biasSquares: Float32Array;
};

const gradient = new Float64Array(OUTPUTS);

function step(
  state: State,
  example: Prepared,
  { rate, decay, weight }: { readonly rate: number; readonly decay: number; readonly weight: number },
): number {
  const { weights, squares, bias, biasSquares } = state;
  const { ids, values } = example;
  for (let column = 0; column < OUTPUTS; column += 1) gradient[column] = bias[column] as number;
  for (let at = 0; at < ids.length; at += 1) {
    const row = (ids[at] as number) * OUTPUTS;
    const value = values[at] as number;
    for (let column = 0; column < OUTPUTS; column += 1) {
      gradient[column] = (gradient[column] as number) + value * (weights[row + column] as number);
    }
  }
  const loss = toGradient(0, TASKS.length, example.task) + toGradient(TASKS.length, OUTPUTS, example.class);
  for (let column = 0; column < OUTPUTS; column += 1) {
    const slope = (gradient[column] as number) * weight;
    biasSquares[column] = (biasSquares[column] as number) + slope * slope;
    bias[column] = (bias[column] as number) - (rate * slope) / Math.sqrt((biasSquares[column] as number) + 1);
  }
  for (let at = 0; at < ids.length; at += 1) {
    const row = (ids[at] as number) * OUTPUTS;
    const value = values[at] as number;
    for (let column = 0; column < OUTPUTS; column += 1) {
      const place = row + column;
      const old = weights[place] as number;
      const slope = (gradient[column] as number) * weight * value + decay * old;
      const square = (squares[place] as number) + slope * slope;
      squares[place] = square;
      weights[place] = old - (rate * slope) / Math.sqrt(square + 1);
    }
  }
  return loss;
}

// Scores of one head become the slope p − y in place; returns −log p of the truth.
function toGradient(from: number, to: number, truth: number): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let at = from; at < to; at += 1) highest = Math.max(highest, gradient[at] as number);
  let sum = 0;
  for (let at = from; at < to; at += 1) {
    const power = Math.exp((gradient[at] as number) - highest);
    gradient[at] = power;
    sum += power;
  }
  const share = (gradient[truth] as number) / sum;
  for (let at = from; at < to; at += 1) gradient[at] = (gradient[at] as number) / sum - (at === truth ? 1 : 0);
  return -Math.log(Math.max(share, 1e-12));
}

function quantize(weights: Float32Array, bias: Float32Array): LinearModel {
  const scales = new Float32Array(OUTPUTS);
  for (let at = 0; at < weights.length; at += 1) {
    const column = at % OUTPUTS;
    scales[column] = Math.max(scales[column] as number, Math.abs(weights[at] as number) / 127);
  }
  const bytes = new Int8Array(weights.length);
  for (let at = 0; at < weights.length; at += 1) {
    const scale = scales[at % OUTPUTS] as number;
    bytes[at] = scale === 0 ? 0 : Math.round((weights[at] as number) / scale);
  }
  return { weights: bytes, scales, bias: bias.slice(), taskTemperature: 1, classTemperature: 1 };
}

/**
 * The model with the temperatures under which the examples are likeliest, searched between 0.3 and 5 in steps of 2 %.
 * The examples must not be those it was trained on, which it knows too well.
 */
export function fitTemperatures(model: LinearModel, examples: readonly Example[]): LinearModel {
  const scored = examples.map((example) => ({
    scores: scoresOf(model, featuresOf(example.input)).slice(),
    task: TASKS.indexOf(example.task),
    class: TASKS.length + MODEL_CLASSES.indexOf(example.class),
  }));
  const best = (from: number, to: number, truthOf: (row: (typeof scored)[number]) => number): number => {
    let bestTemperature = 1;
    let bestLoss = Number.POSITIVE_INFINITY;
    for (let temperature = 0.3; temperature <= 5; temperature *= 1.02) {
      let loss = 0;
      for (const row of scored) {
        let sum = 0;
        const truth = row.scores[truthOf(row)] as number;
        for (let at = from; at < to; at += 1) sum += Math.exp(((row.scores[at] as number) - truth) / temperature);
        loss += Math.log(sum);
      }
      if (loss < bestLoss) [bestLoss, bestTemperature] = [loss, temperature];
    }
    return bestTemperature;
  };
  return {
    ...model,
    taskTemperature: best(0, TASKS.length, (row) => row.task),
    classTemperature: best(TASKS.length, OUTPUTS, (row) => row.class),
  };
}

// Mulberry32, public domain: 32 bits of state are plenty for an order of a few thousand examples.
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function shuffle(order: number[], random: () => number): void {
  for (let at = order.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [order[at], order[other]] = [order[other] as number, order[at] as number];
  }
}
