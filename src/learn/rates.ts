import type { ModelId } from '../core/ids.ts';
import type { Calibration, FinishedRun } from '../core/knowledge.ts';
import type { Provenance } from '../core/profile.ts';
import { decodeMsOf, prefillMsOf, type ServiceModel } from '../core/service-model.ts';
import { alarmed, newLevel, newWatch, sigmaOf } from './cusum.ts';
import { learnRatio, newTerm } from './kalman.ts';
import type { ArmPhase, DeviceState } from './learned-state.ts';
import { addBusy, newUtilisation, utilisationAt } from './utilisation.ts';

/** Fewer generated tokens than this say more about the timer than about the decode rate. */
const DECODE_TOKENS_MIN = 4;
/** Fewer uncached prompt tokens than this say more about the fixed cost than about the prefill rate. */
const PREFILL_TOKENS_MIN = 8;
/** A benchmark was taken on this very device, so its drift starts near none: sigma 0.1. */
const DEVICE_VARIANCE = 0.01;
/** A benchmark may be wrong by half or double: sigma ln 2. */
const MEASURED_VARIANCE = 0.5;
/** Figures of another machine or by size may be wrong by an order of magnitude or two. */
const GUESSED_VARIANCE = 9;
/** Bound of a correction of measured figures, and of the others. */
const MEASURED_LIMIT = Math.log(4);
const GUESSED_LIMIT = Math.log(1000);
/** After an alarm ten samples are taken to say more than usual: process noise times ten. */
const RESTLESS_RUNS = 10;
const RESTLESS_FACTOR = 10;

const PHASES = ['prefill', 'decode'] as const;
type Phase = (typeof PHASES)[number];
type Arm = Record<Phase, ArmPhase>;

const NOTHING_SEEN: Calibration = Object.freeze({
  prefill: Object.freeze({ factor: 1, n: 0 }),
  decode: Object.freeze({ factor: 1, n: 0 }),
  drift: 'none',
});

/** One device: how its models' times differ from their benchmarks, whether it drifts, and how busy it was. */
export interface DeviceRates {
  /** Takes in a finished run. True when it showed that the device has become slower than its profiles. */
  observe(run: FinishedRun): boolean;
  /** The correction of a model for figures of `service`; without, for those it was last seen with. */
  calibration(model: ModelId, service?: ServiceModel): Calibration;
  utilisation(nowMs: number): number;
  /** One model was measured anew: its figures are those of now. Without one, all were. */
  remeasured(model?: ModelId): void;
  forget(model: ModelId): void;
  /** Plain value, to be written at once: it goes on changing. */
  state(): DeviceState;
}

type Cached = {
  readonly version: number;
  readonly service: ServiceModel | undefined;
  readonly calibration: Calibration;
};

/** Makes {@link DeviceRates} that go on from a state. */
export function createDeviceRates(state: DeviceState = newDevice()): DeviceRates {
  const arms = new Map(Object.entries(state.arms)) as Map<ModelId, Arm>;
  // What a decision looks up a dozen times is made once per finished run.
  const cache = new Map<ModelId, Cached>();
  let version = 0;

  const armOf = (run: FinishedRun): Arm => {
    let arm = arms.get(run.model);
    if (arm === undefined) {
      arm = newArm(run);
      arms.set(run.model, arm);
    }
    restate(arm, run.service);
    return arm;
  };

  const observe = (run: FinishedRun): boolean => {
    addBusy(state.busy, run.nowMs, (run.prefillMs ?? 0) + (run.decodeMs ?? 0));
    if (run.disturbed) return false;
    const ratios = { prefill: prefillRatio(run), decode: decodeRatio(run) };
    if (ratios.prefill === undefined && ratios.decode === undefined) return false;
    version += 1;
    const arm = armOf(run);
    const noiseFactor = state.restlessRuns > 0 ? RESTLESS_FACTOR : 1;
    state.restlessRuns = Math.max(0, state.restlessRuns - 1);
    let alarm = false;
    for (const phase of PHASES) {
      const logRatio = ratios[phase];
      if (logRatio === undefined) continue;
      const { term, level } = arm[phase];
      learnRatio(
        { device: state.terms[phase], arm: term },
        { logRatio, nowMs: run.nowMs, noiseFactor, sigma: sigmaOf(level) * roughness(phase, run), limit: limitOf(run) },
      );
      alarm = alarmed(state.watch, level, logRatio) || alarm;
    }
    if (alarm) state.restlessRuns = RESTLESS_RUNS;
    return alarm;
  };

  const calibration = (model: ModelId, service?: ServiceModel): Calibration => {
    const cached = cache.get(model);
    if (cached?.version === version && cached.service === service) return cached.calibration;
    const made = calibrationOf(state, arms.get(model), service);
    cache.set(model, { version, service, calibration: made });
    return made;
  };

  const remeasured = (model?: ModelId): void => {
    version += 1;
    state.watch = newWatch();
    state.restlessRuns = 0;
    for (const [id, arm] of arms) {
      if (model !== undefined && id !== model) continue;
      for (const phase of PHASES) {
        arm[phase].term = newTerm(MEASURED_VARIANCE);
        // The new figures already hold the drift that the device's term stands for.
        arm[phase].term.kappa = model === undefined ? 0 : -state.terms[phase].kappa;
        arm[phase].level = newLevel();
        arm[phase].referenceMs = 0;
      }
    }
    if (model === undefined) state.terms = newTerms();
  };

  return {
    observe,
    calibration,
    utilisation: (nowMs) => utilisationAt(state.busy, nowMs),
    remeasured,
    forget: (model) => {
      if (arms.delete(model)) version += 1;
    },
    state: () => ({ ...state, arms: Object.fromEntries(arms) }),
  };
}

function calibrationOf(state: DeviceState, arm: Arm | undefined, service: ServiceModel | undefined): Calibration {
  const { watch, terms } = state;
  if (arm === undefined && terms.prefill.n === 0 && terms.decode.n === 0) return NOTHING_SEEN;
  const correction = (phase: Phase) => {
    const { kappa } = terms[phase];
    if (arm === undefined) return { factor: Math.exp(kappa), n: 0 };
    const { term, referenceMs } = arm[phase];
    const restated = service === undefined || referenceMs === 0 ? 1 : referenceMs / referenceMsOf(phase, service);
    return { factor: Math.exp(kappa + term.kappa) * restated, n: term.n };
  };
  return Object.freeze({
    prefill: Object.freeze(correction('prefill')),
    decode: Object.freeze(correction('decode')),
    drift: watch.drifting ? 'drifting' : 'none',
  });
}

/** Work by which two sets of figures of one model are compared: a chat of usual size. */
const REFERENCE_PROMPT = 256;
const REFERENCE_OUTPUT = 64;

const referenceMsOf = (phase: Phase, service: ServiceModel): number =>
  Math.max(
    1e-6,
    phase === 'prefill'
      ? prefillMsOf(service, REFERENCE_PROMPT)
      : decodeMsOf(service, REFERENCE_PROMPT, REFERENCE_OUTPUT),
  );

// When a model's figures are replaced under us, by a benchmark or by the medians of the same live traffic, the correction
// moves the other way: the corrected prediction goes on without a jump, and nothing is counted twice.
function restate(arm: Arm, service: ServiceModel): void {
  for (const phase of PHASES) {
    const part = arm[phase];
    const referenceMs = referenceMsOf(phase, service);
    const shift = part.referenceMs === 0 ? 0 : Math.log(part.referenceMs / referenceMs);
    part.referenceMs = referenceMs;
    if (shift === 0) continue;
    part.term.kappa += shift;
    part.level.mean += shift;
    if (part.level.previous !== undefined) part.level.previous += shift;
  }
}

function prefillRatio({ promptTokens, cachedTokens = 0, prefillMs, service }: FinishedRun): number | undefined {
  if (promptTokens === undefined || !(promptTokens - cachedTokens >= PREFILL_TOKENS_MIN)) return undefined;
  return logRatioOf(prefillMs, prefillMsOf(service, promptTokens, cachedTokens));
}

function decodeRatio({ promptTokens = 0, outputTokens, decodeMs, service }: FinishedRun): number | undefined {
  if (outputTokens === undefined || !(outputTokens >= DECODE_TOKENS_MIN)) return undefined;
  return logRatioOf(decodeMs, decodeMsOf(service, promptTokens, outputTokens));
}

function logRatioOf(observedMs: number | undefined, benchmarkedMs: number): number | undefined {
  if (observedMs === undefined || !(observedMs > 0) || !(benchmarkedMs > 0)) return undefined;
  const ratio = Math.log(observedMs / benchmarkedMs);
  return Number.isFinite(ratio) ? ratio : undefined;
}

// A short prompt or answer is timed with more noise: twice the variance at 16 tokens of a prompt or 8 of an answer.
const roughness = (phase: Phase, { promptTokens = 0, cachedTokens = 0, outputTokens = 0 }: FinishedRun): number =>
  Math.sqrt(1 + (phase === 'prefill' ? 16 / Math.max(1, promptTokens - cachedTokens) : 8 / Math.max(1, outputTokens)));

const limitOf = ({ basis }: FinishedRun): number => (isGuessed(basis) ? GUESSED_LIMIT : MEASURED_LIMIT);

const isGuessed = (basis: Provenance | undefined): boolean => basis === 'reference' || basis === 'estimated';

const newTerms = (): DeviceState['terms'] => ({
  prefill: newTerm(DEVICE_VARIANCE),
  decode: newTerm(DEVICE_VARIANCE),
});

const newDevice = (): DeviceState => ({
  terms: newTerms(),
  watch: newWatch(),
  restlessRuns: 0,
  busy: newUtilisation(),
  arms: {},
});

function newArm({ service, basis }: FinishedRun): Arm {
  const phase = (name: Phase): ArmPhase => ({
    term: newTerm(isGuessed(basis) ? GUESSED_VARIANCE : MEASURED_VARIANCE),
    level: newLevel(),
    referenceMs: referenceMsOf(name, service),
  });
  return { prefill: phase('prefill'), decode: phase('decode') };
}
