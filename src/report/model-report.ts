import { TASKS } from '../core/classes.ts';
import type { Policy } from '../core/policy.ts';
import { type Profile, type Provenance, provenanceRank } from '../core/profile.ts';
import { decodeMsOf, prefillMsOf, type ServiceModel } from '../core/service-model.ts';
import { quality, quarantineReason } from '../route/quality.ts';
import { isProvisional } from './judge-snapshot.ts';
import type { ModelReport, ModelSource, QualityFigure } from './report.ts';
import { type Judged, judgeModels } from './verdict.ts';

/** What models are judged by. */
export type JudgedBy = {
  readonly policy: Pick<Policy, 'verdicts' | 'classes'>;
  readonly memoryBudgetBytes: number | undefined;
};

/** Works out what follows from the figures of one machine's models and judges them together, in the order given. */
export function modelReports(
  sources: readonly ModelSource[],
  { policy, memoryBudgetBytes }: JudgedBy,
): readonly ModelReport[] {
  const found = sources.map((source) => withTimes(source, policy.verdicts.chat, memoryBudgetBytes));
  const verdicts = judgeModels(found.flatMap(judgedOf), policy.verdicts, policy.classes.interactive);
  return found.map((model) => ({ ...model, judgement: verdicts.get(model.model) }));
}

function withTimes(
  source: ModelSource,
  chat: Policy['verdicts']['chat'],
  memoryBudgetBytes: number | undefined,
): ModelReport {
  const { profile, qualityPrior } = source;
  const { decodeTokensPerSec: decode, prefillTokensPerSec: prefill, peakMemoryBytes: memory } = profile;
  const decodeMs = decode && decodeMsOf(serviceOf(profile), chat.promptTokens, chat.outputTokens);
  const chatTtftMs = ttftMsOf(profile, chat.promptTokens);
  return {
    ...source,
    chatTtftMs,
    chatMs: decodeMs === undefined ? undefined : decodeMs + (chatTtftMs ?? 0),
    isPrefillUnknown: prefill === undefined,
    memoryShare: memory === undefined || memoryBudgetBytes === undefined ? undefined : memory.value / memoryBudgetBytes,
    quality: measuredQuality(profile) ?? priorQuality(qualityPrior),
    judgement: undefined,
    quarantined: quarantineReason(profile),
    provisional: isProvisional(profile),
    basis: leastTrusted([decode?.provenance, prefill?.provenance]),
  };
}

/** TTFT of an uncached prompt on the loaded model by the fitted curve, ms; undefined without a prefill rate. */
export function ttftMsOf(profile: Profile, promptTokens: number): number | undefined {
  return profile.prefillTokensPerSec && prefillMsOf(serviceOf(profile), promptTokens);
}

/** Rates that are not known are taken for endless here; callers ask only for what is known. */
function serviceOf(profile: Profile): ServiceModel {
  return {
    prefillFixedMs: profile.prefillFixedMs?.value ?? 0,
    prefillMsPerToken: 1000 / (profile.prefillTokensPerSec?.value ?? Number.POSITIVE_INFINITY),
    prefillContextMs: profile.prefillContextMs?.value ?? 0,
    decodeMsPerToken: 1000 / (profile.decodeTokensPerSec?.value ?? Number.POSITIVE_INFINITY),
    decodeContextMs: profile.decodeContextMs?.value ?? 0,
    ...{ loadMs: 0, loadColdMs: undefined, unloadMs: 0 },
  };
}

function measuredQuality(profile: Profile): QualityFigure | undefined {
  const figures = TASKS.flatMap((task) => profile[`quality.${task}`] ?? []);
  if (figures.length === 0) return undefined;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    value: mean(figures.map(({ value }) => value)),
    low: mean(figures.map(({ value, low }) => low ?? value)),
    high: mean(figures.map(({ value, high }) => high ?? value)),
    isPrior: false,
  };
}

const priorQuality = (prior: number | undefined): QualityFigure | undefined =>
  prior === undefined ? undefined : { value: prior, low: undefined, high: undefined, isPrior: true };

function leastTrusted(provenances: readonly (Provenance | undefined)[]): Provenance | undefined {
  const known = provenances.filter((one) => one !== undefined);
  return known.toSorted((a, b) => provenanceRank(b) - provenanceRank(a))[0];
}

function judgedOf(model: ModelReport): readonly Judged[] {
  const { profile, chatMs, qualityPrior } = model;
  const decode = profile.decodeTokensPerSec;
  const chat = profile['quality.chat'];
  if (decode === undefined || chatMs === undefined) return [];
  return [
    {
      model: model.model,
      chatMs,
      isPrefillUnknown: model.isPrefillUnknown,
      decodeTokensPerSec: decode.value,
      memoryShare: model.memoryShare,
      // A result file says nothing of priors: its own lower end counts.
      quality: qualityPrior === undefined ? (chat?.low ?? chat?.value) : quality(qualityPrior, chat),
      mayChat: model.mayChat,
      quarantined: model.quarantined !== undefined,
      isNpu: model.isNpu,
    },
  ];
}
