import type { ModelClass } from '../core/classes.ts';
import type { ModelId } from '../core/ids.ts';
import { type Conformal, type FinishedRun, type Knowledge, NO_KNOWLEDGE } from '../core/knowledge.ts';
import { nextCorrection } from './conformal.ts';
import { checkState, type LearnedRow, type LearnedState, STATE_VERSION } from './learned-state.ts';
import { createOutputLengths } from './output-lengths.ts';
import { createDeviceRates, type DeviceRates } from './rates.ts';

/**
 * What live traffic teaches, kept in memory. Deterministic: times come with the runs, so a simulation learns the same from
 * the same runs. Takes in a run in some microseconds; lookups cost less.
 */
export interface Learner {
  /** What is known now: always the same object, whose answers change as runs are taken in. */
  readonly knowledge: Knowledge;
  /** Takes in one finished run. Never throws. */
  observe(run: FinishedRun): void;
  /** Figures of a device's model are those of now, of all its models where none is named: its alarm is off. */
  remeasured(device: string, model?: ModelId): void;
  /** The model's file or settings are others now: what was learned of its rates does not hold any more. */
  forget(model: ModelId): void;
  /** Everything learned, as a plain value for `JSON.stringify`. */
  export(): LearnedState;
  /** What changed since the last call, to be written under its keys. */
  takeChanged(): readonly LearnedRow[];
}

/** How a learner begins and whom it tells. */
export type LearnerOptions = {
  /** A value that `export` gave; what cannot be read of it is learned anew. */
  readonly state?: unknown;
  /** Told when a device has become slower than the figures of its models; not again until they were measured anew. */
  readonly onDrift?: (device: string) => void;
  /** Told once, in one line, what of `state` could not be read. */
  readonly onDamaged?: (message: string) => void;
};

/** Makes a learner. */
export function createLearner({ state, onDrift, onDamaged }: LearnerOptions = {}): Learner {
  const kept = checkState(state ?? { version: STATE_VERSION, rows: [] });
  if (kept.damaged.length > 0) {
    onDamaged?.(
      `${kept.damaged.length} parts of what was learned cannot be read and are learned anew: ${kept.damaged[0]}`,
    );
  }
  const devices = new Map<string, DeviceRates>();
  for (const [device, known] of kept.devices) devices.set(device, createDeviceRates(known));
  const corrections = new Map<string, Conformal>(kept.corrections);
  const lengths = createOutputLengths(kept.lengths);
  const changed = { devices: new Set<string>(), corrections: new Set<string>() };

  const deviceOf = (device: string): DeviceRates => {
    let rates = devices.get(device);
    if (rates === undefined) {
      rates = createDeviceRates();
      devices.set(device, rates);
    }
    return rates;
  };

  const learnCorrection = (run: FinishedRun): void => {
    const { ttft, e2e } = corrections.get(run.key.class) ?? NO_CORRECTION;
    const { promisedTtftMs, promisedE2eMs, actualTtftMs, actualE2eMs, quantile } = run;
    const next = {
      ttft: nextCorrection(ttft, { promisedMs: promisedTtftMs, actualMs: actualTtftMs, quantile }),
      e2e: nextCorrection(e2e, { promisedMs: promisedE2eMs, actualMs: actualE2eMs, quantile }),
    };
    if (next.ttft === ttft && next.e2e === e2e) return;
    corrections.set(run.key.class, Object.freeze(next));
    changed.corrections.add(run.key.class);
  };

  const learnLength = ({ key, outputTokens, endedByItself, disturbed }: FinishedRun): void => {
    // An answer that was broken off says nothing of its length; one that met its bound says that it is longer.
    if (outputTokens !== undefined && (endedByItself || !disturbed)) lengths.add(key, outputTokens, !endedByItself);
  };

  const row = {
    device: (device: string): LearnedRow => ({ key: `device ${device}`, value: deviceOf(device).state() }),
    correction: (name: string): LearnedRow => ({ key: `correction ${name}`, value: corrections.get(name) }),
    lengths: ([group, value]: readonly [string, readonly number[]]): LearnedRow => ({ key: `lengths ${group}`, value }),
  };

  return {
    knowledge: {
      calibration: (device, model, service) =>
        devices.get(device)?.calibration(model, service) ?? NO_KNOWLEDGE.calibration(device, model),
      outputTokens: lengths.outputTokens,
      remainingTokens: lengths.remainingTokens,
      conformal: (modelClass: ModelClass) => corrections.get(modelClass) ?? NO_CORRECTION,
      utilisation: (device, nowMs) => devices.get(device)?.utilisation(nowMs) ?? 0,
    },
    observe: (run) => {
      changed.devices.add(run.device);
      learnLength(run);
      learnCorrection(run);
      if (deviceOf(run.device).observe(run)) onDrift?.(run.device);
    },
    remeasured: (device, model) => {
      changed.devices.add(device);
      deviceOf(device).remeasured(model);
    },
    forget: (model) => {
      for (const [device, rates] of devices) {
        changed.devices.add(device);
        rates.forget(model);
      }
    },
    export: () => ({
      version: STATE_VERSION,
      rows: [
        ...[...devices.keys()].map(row.device),
        ...[...corrections.keys()].map(row.correction),
        ...lengths.all().map(row.lengths),
      ],
    }),
    takeChanged: () => {
      const rows = [
        ...[...changed.devices].map(row.device),
        ...[...changed.corrections].map(row.correction),
        ...lengths.takeChanged().map(row.lengths),
      ];
      changed.devices.clear();
      changed.corrections.clear();
      return rows;
    },
  };
}

const NO_CORRECTION: Conformal = Object.freeze({ ttft: 0, e2e: 0 });
