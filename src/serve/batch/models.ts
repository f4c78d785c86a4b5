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
 */
export function batchModels(input: BatchModelsInput): readonly PlanModel[] {
  const { snapshot, policy } = input;
  const workloadOf = workloads();
  return [...policy.models.values()].flatMap((model) => {
    const view = snapshot.models.get(model.id);
    if (view === undefined || !isUsable(model, view, input)) return [];
    return [planModel(model, view, { ...input, workloadOf })];
  });
}

function isUsable(
  model: ModelPolicy,
  view: ModelView,
  { batch, policy, snapshot, only, resting }: BatchModelsInput,
): boolean {
  const isUp = model.enabled && view.availability.kind === 'available' && view.residency.kind !== 'failed';
  if (!isUp || resting.has(model.id) || (only !== undefined && only !== model.id)) return false;
  if (model.classes !== undefined && !model.classes.includes('batch')) return false;
  if (forbiddenModel(model.id, clientNamed(batch.client, policy)) !== undefined) return false;
  return assessMemory(model.id, view, snapshot).kind !== 'never';
}

function planModel(
  model: ModelPolicy,
  view: ModelView,
  input: BatchModelsInput & { readonly workloadOf: WorkloadOf },
): PlanModel {
  const { batch, snapshot, policy, only, workloadOf } = input;
  const { service, profile } = serviceFigures(view, model);
  const device = policy.runtimes.get(model.runtime)?.device ?? '';
  const { prefill, decode } = snapshot.knowledge.calibration(device, model.id, service);
  const quality = qualityOf(model, view, 'chat');
  const mayChoose = only === model.id || (view.quarantined === undefined && quality >= batch.request.minQuality);
  const contextTokens = view.facts?.contextTokens ?? model.settings.context ?? Number.POSITIVE_INFINITY;
  const isRead = batch.request.endpoint === '/v1/embeddings';
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
  const can = (name: 'embeddings' | 'generation') => model.capabilities[name] ?? view.facts?.capabilities[name];
  const fits = isRead ? can('embeddings') === true : can('generation') !== false;
  return {
    id: model.id,
    device,
    quality,
    loadMs: view.residency.kind === 'ready' || view.residency.kind === 'busy' ? 0 : service.loadMs,
    workMs: (job) => {
      if (!fits || (job.model === undefined ? !mayChoose : job.model !== model.id)) return undefined;
      const workload = workloadOf(job);
      const promptTokens = promptTokensOf(workload, profile, view.facts?.tokenizer).tokens;
      if (!isRead && promptTokens >= contextTokens) return undefined;
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
