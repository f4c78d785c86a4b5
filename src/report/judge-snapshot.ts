import type { ModelId } from '../core/ids.ts';
import type { ModelPolicy, Policy } from '../core/policy.ts';
import type { Profile, Provenance } from '../core/profile.ts';
import { decodeMsOf, prefillMsOf } from '../core/service-model.ts';
import type { ModelView, Snapshot } from '../core/snapshot.ts';
import { qualityOf } from '../route/quality.ts';
import { serviceFigures } from '../route/service.ts';
import { type Judged, type Judgement, judgeModels } from './verdict.ts';

/** A verdict with how far the figures behind it can be trusted. */
export type ModelVerdict = Judgement & {
  /** Least trusted source among the rates used. */
  readonly basis: Provenance;
  /** True where a rate stands on fewer than five samples. */
  readonly provisional: boolean;
};

/**
 * Verdicts of the models that can be used on this machine now, by the policy's rules and the figures routing has.
 * Models that are unavailable or switched off have none.
 */
export function judgeSnapshot(policy: Policy, snapshot: Snapshot): ReadonlyMap<ModelId, ModelVerdict> {
  const usable = [...policy.models.values()].flatMap((model) => {
    const view = snapshot.models.get(model.id);
    return model.enabled && view?.availability.kind === 'available' ? [{ model, view }] : [];
  });
  const judged = usable.map(({ model, view }) => judgedOf(policy, model, { view, snapshot }));
  const verdicts = judgeModels(judged, policy.verdicts, policy.classes.interactive);
  return new Map(
    usable.flatMap(({ model, view }) => {
      const verdict = verdicts.get(model.id);
      if (verdict === undefined) return [];
      const basis = serviceFigures(view, model).runBasis;
      return [[model.id, { ...verdict, basis, provisional: isProvisional(view.profile) }] as const];
    }),
  );
}

function judgedOf(
  policy: Policy,
  model: ModelPolicy,
  { view, snapshot }: { readonly view: ModelView; readonly snapshot: Snapshot },
): Judged {
  const { service, profile } = serviceFigures(view, model);
  const { promptTokens, outputTokens } = policy.verdicts.chat;
  return {
    model: model.id,
    chatMs: prefillMsOf(service, promptTokens) + decodeMsOf(service, promptTokens, outputTokens),
    decodeTokensPerSec: profile.decodeTokensPerSec.value,
    memoryShare: view.memoryBytes / snapshot.memory.budgetBytes,
    quality: qualityOf(model, view, 'chat'),
    mayChat: mayChat(model, view),
    quarantined: view.quarantined !== undefined,
    isNpu: isNpuModel(policy, model),
  };
}

const mayChat = ({ classes, capabilities }: ModelPolicy, { facts }: ModelView): boolean =>
  (classes === undefined || classes.includes('interactive')) &&
  (capabilities.generation ?? facts?.capabilities.generation) !== false;

/** True for a model that runs on an NPU, be it a simulated one. */
export function isNpuModel(policy: Policy, model: Pick<ModelPolicy, 'runtime'>): boolean {
  const runtime = policy.runtimes.get(model.runtime);
  return runtime?.kind === 'rkllm' || (runtime?.kind === 'simulated' && runtime.device === 'npu');
}

/** Fewer samples give no usable interval: at n = 3 it covers 77 % instead of 95 %. */
const SAMPLES_MIN = 5;

/** True where one of the rates was measured, and less often than an interval takes. */
export function isProvisional({ prefillTokensPerSec, decodeTokensPerSec }: Profile): boolean {
  return [prefillTokensPerSec, decodeTokensPerSec].some(
    (figure) => figure !== undefined && figure.n > 0 && figure.n < SAMPLES_MIN,
  );
}
