import type { PlanModel } from '../../batch/plan.ts';
import { clientNamed, forbiddenModel } from '../../classify/client-rules.ts';
import type { Batch, OpenJob } from '../../core/batch.ts';
import type { Workload } from '../../core/decision.ts';
import type { ModelPolicy, Policy } from '../../core/policy.ts';
import { decodeMsOf, prefillMsOf } from '../../core/service-model.ts';
import type { ModelView, Snapshot } from '../../core/snapshot.ts';
import { assessMemory } from '../../route/memory.ts';
import { guessOutput } from '../../route/output-guess.ts';
import { promptTokensOf } from '../../route/prompt-tokens.ts';
import { qualityOf } from '../../route/quality.ts';
import { familyOf, serviceFigures } from '../../route/service.ts';

/** What the planner is told of models. */
export type BatchModelsInput = {
  readonly batch: Batch;
  readonly snapshot: Snapshot;
  readonly policy: Policy;
  /** Id of the model that the batch insists on; undefined = any. */
  readonly only: string | undefined;
  /** Models that are left alone for now, because they have just failed. */
  readonly resting: ReadonlySet<string>;
};

/** The longer of two guesses of an answer's length; between them and the median lies the mean of a long-tailed one. */
const LONG_QUANTILE = 0.8;

/**
 * Models that may do a batch's jobs, each with its expected time per job: rates as routing knows them, corrected by what
 * traffic has taught; answers as long as those of class `batch` were. A model that a line names is there for that line
 * whatever its quality.
 *
 * A line that nothing here can ever do is given to a model all the same: it is refused with its reason at once, which a
 * batch that waits for its deadline would not say.
 */
export function batchModels(input: BatchModelsInput): readonly PlanModel[] {
  const { snapshot, policy } = input;
  const workloadOf = workloads();
  const widest = widestOf(input);
  return [...policy.models.values()].flatMap((model) => {
    const view = snapshot.models.get(model.id);
    if (view === undefined || !isUsable(model, view, input)) return [];
    return [planModel(model, view, { ...input, workloadOf, widest })];
  });
}

function isUsable(model: ModelPolicy, view: ModelView, input: BatchModelsInput): boolean {
  if (!isMeant(model, input) || view.residency.kind === 'failed' || input.resting.has(model.id)) return false;
  return view.availability.kind === 'available' && assessMemory(model.id, view, input.snapshot).kind !== 'never';
}

// What the policy allows, whatever state the model is in.
function isMeant(model: ModelPolicy, { batch, policy, only }: BatchModelsInput): boolean {
  if (!model.enabled || (only !== undefined && only !== model.id)) return false;
  if (model.classes !== undefined && !model.classes.includes('batch')) return false;
  return forbiddenModel(model.id, clientNamed(batch.client, policy)) === undefined;
}

/** What the models that may do a batch's lines can do at most, those included that cannot be had at the moment. */
type Widest = { readonly contextTokens: number; readonly isCapable: boolean };

function widestOf(input: BatchModelsInput): Widest {
  const { batch, policy, snapshot, only } = input;
  let contextTokens = 0;
  let isCapable = false;
  for (const model of policy.models.values()) {
    const view = snapshot.models.get(model.id);
    if (view === undefined || !isMeant(model, input)) continue;
    if (only !== model.id && qualityOf(model, view, 'chat') < batch.request.minQuality) continue;
    // Nothing is known yet of a model whose file has not been read.
    const can = isCapableOf(model, view, batch) || (view.facts === undefined && view.availability.kind === 'available');
    if (!can) continue;
    isCapable = true;
    contextTokens = Math.max(contextTokens, contextOf(model, view));
  }
  return { contextTokens, isCapable };
}

function isCapableOf(model: ModelPolicy, view: ModelView, batch: Batch): boolean {
  const can = (name: 'embeddings' | 'generation') => model.capabilities[name] ?? view.facts?.capabilities[name];
  return readsOnly(batch) ? can('embeddings') === true : can('generation') !== false;
}

const contextOf = (model: ModelPolicy, view: ModelView): number =>
  view.facts?.contextTokens ?? model.settings.context ?? Number.POSITIVE_INFINITY;

const readsOnly = ({ request }: Batch): boolean => request.endpoint === '/v1/embeddings';

function planModel(
  model: ModelPolicy,
  view: ModelView,
  input: BatchModelsInput & { readonly workloadOf: WorkloadOf; readonly widest: Widest },
): PlanModel {
  const { batch, snapshot, policy, only, workloadOf, widest } = input;
  const { service, profile } = serviceFigures(view, model);
  const device = policy.runtimes.get(model.runtime)?.device ?? '';
  const { prefill, decode } = snapshot.knowledge.calibration(device, model.id, service);
  const quality = qualityOf(model, view, 'chat');
  const mayChoose = only === model.id || (view.quarantined === undefined && quality >= batch.request.minQuality);
  const contextTokens = contextOf(model, view);
  const isRead = readsOnly(batch);
  // Tens of thousands of jobs share a handful of bounds.
  const expected = new Map<number | undefined, number>();
  const outputTokensOf = (workload: Workload): number => {
    let tokens = expected.get(workload.outputTokensMax);
    if (tokens === undefined) {
      tokens = expectedTokens(workload, { model, input });
      expected.set(workload.outputTokensMax, tokens);
    }
    return tokens;
  };
  const fits = isCapableOf(model, view, batch) || !widest.isCapable;
  return {
    id: model.id,
    device,
    quality,
    loadMs: view.residency.kind === 'ready' || view.residency.kind === 'busy' ? 0 : service.loadMs,
    workMs: (job) => {
      if (job.model === undefined ? !mayChoose || !fits : job.model !== model.id) return undefined;
      const workload = workloadOf(job);
      const promptTokens = promptTokensOf(workload, profile, view.facts?.tokenizer).tokens;
      const isLonger = !isRead && promptTokens >= contextTokens && contextTokens < widest.contextTokens;
      if (isLonger && job.model === undefined) return undefined;
      const prefillMs = prefillMsOf(service, promptTokens) * prefill.factor;
      if (isRead) return prefillMs;
      return prefillMs + decodeMsOf(service, promptTokens, outputTokensOf(workload)) * decode.factor;
    },
  };
}

function expectedTokens(
  workload: Workload,
  { model, input }: { readonly model: ModelPolicy; readonly input: BatchModelsInput },
): number {
  const { snapshot, policy } = input;
  const key = { class: 'batch', task: 'chat', family: familyOf(model), thinking: false } as const;
  const asked = { key, prior: policy.classes.batch, quantile: LONG_QUANTILE };
  const { tokens, medianTokens } = guessOutput(workload, snapshot.knowledge, asked);
  return (tokens + medianTokens) / 2;
}

// A job is looked at for one model after another.
function workloads(): WorkloadOf {
  let lately: { readonly job: OpenJob; readonly workload: Workload } | undefined;
  return (job) => {
    if (lately?.job !== job) lately = { job, workload: workloadOf(job) };
    return lately.workload;
  };
}

type WorkloadOf = (job: OpenJob) => Workload;

const workloadOf = ({ promptChars, messageCount, maxTokens }: OpenJob): Workload => ({
  ...{ class: 'batch', task: 'chat', reasons: [], pinnedModel: undefined, needs: {}, stream: false, minQuality: 0 },
  slo: { ttftMs: undefined, e2eMs: undefined, source: 'none' },
  promptTokensExact: undefined,
  promptChars,
  messageCount,
  outputTokensMax: maxTokens,
});
