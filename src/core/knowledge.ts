import type { ModelClass, Task } from './classes.ts';
import type { ModelId } from './ids.ts';
import type { Provenance } from './profile.ts';
import type { ServiceModel } from './service-model.ts';

/**
 * What live traffic has taught, as `decide` reads it. Lookups only: cheap, without side effects, the same answer until
 * something more was learned. `src/learn` makes it; a simulation runs on the same one.
 */
export interface Knowledge {
  /**
   * Correction of one model on one device, for predictions by the figures of `service`; without, for the figures it was
   * last seen with. Factor 1 and n 0 where nothing was seen.
   */
  calibration(device: string, model: ModelId, service?: ServiceModel): Calibration;
  /**
   * Output length at a quantile (0..1), shrunk towards the parent groups and the whole class towards `prior`; undefined
   * where nothing was seen at all.
   */
  outputTokens(key: OutputKey, quantile: number, prior?: number): OutputLength | undefined;
  /**
   * Tokens still to come at a quantile after `generated` ones: the quantile of {N - n : N > n}. Undefined where nothing
   * that long was ever seen.
   */
  remainingTokens(key: OutputKey, generated: number, quantile: number): number | undefined;
  /** Conformal corrections of a class, in natural logarithms: multiply the prediction by exp of them. 0 at first. */
  conformal(modelClass: ModelClass): Conformal;
  /** Share of the last quarter of an hour a device was busy, 0..0.95, as an EWMA. */
  utilisation(device: string, nowMs: number): number;
}

/** Multiply predicted prefill and decode times by these; `n` samples behind them. */
export type Calibration = {
  readonly prefill: { readonly factor: number; readonly n: number };
  readonly decode: { readonly factor: number; readonly n: number };
  /** `drifting`: the device has become slower than its profile and has not been measured again. */
  readonly drift: 'none' | 'drifting';
};

/** What output lengths are grouped by; the more specific groups shrink to the less specific ones. */
export type OutputKey = {
  readonly class: ModelClass;
  readonly task: Task;
  /** Model family, e.g. `qwen3.5`; see `core/names.ts`. */
  readonly family: string;
  readonly thinking: boolean;
};

export type OutputLength = {
  readonly tokens: number;
  /** Answers seen in the most specific group used. */
  readonly n: number;
  /** Which groups it came from, e.g. `class interactive, task code, n=43`. ASCII. */
  readonly basis: string;
};

/** Corrections in natural logarithms, for the time to the first token and for the whole answer. */
export type Conformal = { readonly ttft: number; readonly e2e: number };

const NOTHING_SEEN: Calibration = Object.freeze({
  prefill: { factor: 1, n: 0 },
  decode: { factor: 1, n: 0 },
  drift: 'none',
});
const NO_CORRECTION: Conformal = Object.freeze({ ttft: 0, e2e: 0 });

/** Before any traffic: nothing corrected, no lengths, no load. */
export const NO_KNOWLEDGE: Knowledge = Object.freeze({
  calibration: () => NOTHING_SEEN,
  outputTokens: () => undefined,
  remainingTokens: () => undefined,
  conformal: () => NO_CORRECTION,
  utilisation: () => 0,
});

/** One finished generation, as the learner takes it in. Absent figures were not told by the engine. */
export type FinishedRun = {
  readonly nowMs: number;
  readonly device: string;
  readonly model: ModelId;
  readonly key: OutputKey;
  /** Uncalibrated service model that was in force for the prediction. */
  readonly service: ServiceModel;
  /** Least trusted figure in it; corrections of guessed figures may be larger. Absent = measured. */
  readonly basis?: Provenance | undefined;
  readonly promptTokens: number | undefined;
  readonly cachedTokens: number | undefined;
  readonly outputTokens: number | undefined;
  readonly prefillMs: number | undefined;
  readonly decodeMs: number | undefined;
  /** True when the answer ended by itself; false and not disturbed: `max_tokens` cut it off. */
  readonly endedByItself: boolean;
  /** Quantile the class promises, and the promise without its conformal factor, ms from arrival. */
  readonly quantile: number;
  readonly promisedTtftMs: number | undefined;
  readonly promisedE2eMs: number | undefined;
  readonly actualTtftMs: number | undefined;
  readonly actualE2eMs: number | undefined;
  /** True where the sample must not teach rates: cancelled, failed, foreign CPU load, swap. */
  readonly disturbed: boolean;
};
