import type { Prediction, Workload } from '../core/decision.ts';
import type { Calibration } from '../core/knowledge.ts';
import type { ModelPolicy } from '../core/policy.ts';
import { type Provenance, provenanceRank } from '../core/profile.ts';
import { decodeMsOf, prefillMsOf, type ServiceModel } from '../core/service-model.ts';
import type { ModelView, Snapshot } from '../core/snapshot.ts';
import { guessOutput, type OutputGuess, type OutputPrior } from './output-guess.ts';
import { promptTokensOf } from './prompt-tokens.ts';
import { startWithinMs, type Waiting, waitAfterYieldOf, waitOf } from './queue-outlook.ts';
import { familyOf, serviceFigures, stepDown } from './service.ts';

/**
 * Figures of other machines, of sizes or of another state of this one are promised more carefully: five hundredths more
 * of the output quantile and 22 % more time (the study's +.05 and c + .2 for the last two steps of its ladder), until
 * so many of the model's own runs have corrected them.
 */
const CAREFUL_QUANTILE = 0.05;
const CAREFUL_FACTOR = Math.exp(0.2);
const CORRECTED_AT_RUNS = 5;

/** What is the same for all models of one decision. */
export type PredictionContext = {
  readonly workload: Workload;
  readonly snapshot: Snapshot;
  readonly prior: OutputPrior;
  /** Output guesses by family, thinking and quantile, filled as they are asked for. */
  readonly outputs: Map<string, OutputGuess>;
};

/** One model in one snapshot. */
export type PredictionSubject = Waiting & {
  readonly device: string;
  /** Time until evicted children have given their memory back, ms; 0 where none has to go. */
  readonly evictMs: number;
};

/**
 * Course of a request on one model, ms, from arrival:
 *
 *   wait    = max(lane, the model's own slots, memory); where it would be late and running work yields, until that stops
 *   load    = 0 when loaded, the rest of a running start, else eviction + load time (cold or from the page cache)
 *   prefill = T_p of the service model, cached tokens left out     · calibration · slowdown by other devices
 *   decode  = T_d of the service model at the output quantile      · calibration · slowdown by other devices
 *   TTFT    = (wait + load + prefill) e^c_ttft          E2E = (wait + load + prefill + decode) e^c_e2e
 *
 * `basis` is the least trusted figure among the rates used, and the load time where a load is ahead. Token counts carry
 * their own basis: they come from the request, not from the machine.
 */
export function predict(context: PredictionContext, subject: PredictionSubject): Prediction {
  const { workload, snapshot, prior } = context;
  const { model, view, device } = subject;
  const { profile, service, runBasis, loadBasis } = serviceFigures(view, model);
  const calibration = snapshot.knowledge.calibration(device, model.id, service);
  const loadMs = loadAheadMs(view, service, subject.evictMs);
  const figuresBasis = loadMs > 0 ? loadBasis : runBasis;
  const basis = view.stale.length > 0 ? stepDown(figuresBasis) : figuresBasis;
  const careful = isCareful(view, runBasis, calibration);
  const output = outputOf(context, model, view, careful);
  const prompt = promptTokensOf(workload, profile, view.facts?.tokenizer);
  const cachedTokens = cachedTokensOf(workload, view, prompt.tokens);
  const coRun = coRunOf(view, device, snapshot);
  const prefillFactor = calibration.prefill.factor * coRun.prefill * (careful ? CAREFUL_FACTOR : 1);
  const decodeFactor = calibration.decode.factor * coRun.decode * (careful ? CAREFUL_FACTOR : 1);
  const prefillMs = prefillMsOf(service, prompt.tokens, cachedTokens) * prefillFactor;
  const decodeMs = decodeMsOf(service, prompt.tokens, output.tokens) * decodeFactor;
  const decodeMedianMs = decodeMsOf(service, prompt.tokens, output.medianTokens) * decodeFactor;
  const firstMs = loadMs + prefillMs;
  const { waitMs, interrupts } = expectedWait(context, subject, { firstMs, workMs: firstMs + decodeMs });
  const uncorrectedTtftMs = waitMs + loadMs + prefillMs;
  const conformal = snapshot.knowledge.conformal(workload.class);
  const e2eMs = (uncorrectedTtftMs + decodeMs) * Math.exp(conformal.e2e);
  return {
    promptTokens: prompt.tokens,
    promptTokensBasis: prompt.basis,
    cachedTokens,
    outputTokens: output.tokens,
    outputTokensMedian: output.medianTokens,
    outputTokensBasis: output.basis,
    outputKey: output.key,
    waitMs,
    interrupts,
    loadMs,
    prefillMs,
    decodeMs,
    // The first token comes before the last: a promise for the whole answer holds for it too.
    ttftMs: Math.min(uncorrectedTtftMs * Math.exp(conformal.ttft), e2eMs),
    e2eMs,
    quantile: prior.quantile,
    uncorrectedTtftMs,
    uncorrectedE2eMs: uncorrectedTtftMs + decodeMs,
    e2eMedianMs: uncorrectedTtftMs + decodeMedianMs,
    decodeMedianMs,
    calibration: calibrationOf(calibration),
    coRun,
    service,
    basis,
  };
}

// As the lane does: running work is interrupted only for a newcomer that would be late by waiting for it, unless it makes
// way at once.
function expectedWait(
  { workload, snapshot }: PredictionContext,
  subject: PredictionSubject,
  run: { readonly firstMs: number; readonly workMs: number },
): { readonly waitMs: number; readonly interrupts?: true } {
  const waitMs = waitOf(subject);
  const atOnce = subject.queue?.yielded?.victim.preemptible?.atOnce === true;
  if (!atOnce && waitMs <= startWithinMs(workload.slo, run)) return { waitMs };
  const yieldedMs = waitAfterYieldOf(subject, snapshot);
  return yieldedMs === undefined || yieldedMs >= waitMs ? { waitMs } : { waitMs: yieldedMs, interrupts: true };
}

const calibrationOf = ({ prefill, decode, drift }: Calibration): Prediction['calibration'] => ({
  prefill: prefill.factor,
  decode: decode.factor,
  n: Math.max(prefill.n, decode.n),
  drift,
});

const REFERENCE_RANK = provenanceRank('reference');

function isCareful(view: ModelView, runBasis: Provenance, { prefill, decode }: Calibration): boolean {
  if (Math.min(prefill.n, decode.n) >= CORRECTED_AT_RUNS) return false;
  return view.stale.length > 0 || provenanceRank(runBasis) > REFERENCE_RANK;
}

function outputOf(context: PredictionContext, model: ModelPolicy, view: ModelView, careful: boolean): OutputGuess {
  const { workload, snapshot, prior, outputs } = context;
  const family = familyOf(model);
  const thinking = thinks(model, view);
  const name = `${family} ${thinking} ${careful}`;
  let guess = outputs.get(name);
  if (guess === undefined) {
    const quantile = careful ? Math.min(0.99, prior.quantile + CAREFUL_QUANTILE) : prior.quantile;
    const key = { class: workload.class, task: workload.task, family, thinking };
    guess = guessOutput(workload, snapshot.knowledge, { key, prior, quantile });
    outputs.set(name, guess);
  }
  return guess;
}

// A model that can think does so unless its budget is zero; what it thinks counts as output.
const thinks = (model: ModelPolicy, view: ModelView): boolean =>
  (model.capabilities.thinking ?? view.facts?.capabilities.thinking) === true && model.settings.reasoningBudget !== 0;

function cachedTokensOf({ prefix }: Workload, { prefixCache }: ModelView, promptTokens: number): number {
  if (prefix === undefined || prefixCache === undefined) return 0;
  // The last token is always read again: its output is what the first answer token is drawn from.
  return Math.max(0, Math.min(promptTokens - 1, Math.floor(prefixCache.cachedShare(prefix) * promptTokens)));
}

const ALONE = Object.freeze({ prefill: 1, decode: 1 });

function coRunOf({ coRun }: ModelView, device: string, { lanes }: Pick<Snapshot, 'lanes'>): Prediction['coRun'] {
  if (coRun.length === 0) return ALONE;
  let [prefill, decode] = [1, 1];
  for (const row of coRun) {
    if (row.withDevice === device || (lanes.get(row.withDevice)?.running.length ?? 0) === 0) continue;
    prefill *= row.prefillFactor;
    decode *= row.decodeFactor;
  }
  return { prefill, decode };
}

function loadAheadMs(view: ModelView, service: ServiceModel, evictMs: number): number {
  const { residency } = view;
  switch (residency.kind) {
    case 'ready':
    case 'busy':
      return 0;
    case 'starting':
      return Math.max(0, residency.remainingMs);
    case 'backoff':
      return Math.max(0, residency.retryInMs) + evictMs + loadTimeMs(view, service);
    case 'stopped':
    case 'draining':
    case 'failed':
      return evictMs + loadTimeMs(view, service);
  }
}

const loadTimeMs = (view: ModelView, service: ServiceModel): number =>
  view.fileWarm ? service.loadMs : (service.loadColdMs ?? service.loadMs);
