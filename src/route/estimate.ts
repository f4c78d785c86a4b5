import type { ModelId } from '../core/ids.ts';
import { parametersFromName } from '../core/names.ts';
import type { Figure, ModelFacts, Profile } from '../core/profile.ts';
import { loadMsBySize, type RateMetric, sizeLawRate, sizeLawText } from '../core/size-law.ts';

/** A profile in which every figure that a prediction needs is present. */
export type CompleteProfile = Profile &
  Required<Pick<Profile, 'prefillTokensPerSec' | 'decodeTokensPerSec' | 'loadMs'>>;

/** Q4_K_M: 4.5 bits per parameter, the quantization the law was fitted to. */
const BYTES_PER_PARAMETER = 4.5 / 8;
/** A model that tells nothing about its size is taken for a 4B: too slow for `route`, so it is not chosen blindly there. */
const UNKNOWN_SIZE_BILLION = 4;

// Profiles keep their identity until a figure changes, so the completed one can be kept beside it. By id below that,
// because models without any figure may share one empty profile.
const completed = new WeakMap<Profile, Map<ModelId, { facts: ModelFacts | undefined; profile: CompleteProfile }>>();

/**
 * The profile with its gaps filled by estimates, each marked `estimated` with the formula as its source. Figures that
 * exist are kept as they are. Size comes from the file's metadata, else the model's name, else the bytes on disk.
 */
export function completeProfile(profile: Profile, facts: ModelFacts | undefined, modelId: ModelId): CompleteProfile {
  if (isComplete(profile)) return profile;
  let byModel = completed.get(profile);
  if (byModel === undefined) {
    byModel = new Map();
    completed.set(profile, byModel);
  }
  const known = byModel.get(modelId);
  if (known !== undefined && known.facts === facts) return known.profile;
  const filled = fill(profile, facts, modelId);
  byModel.set(modelId, { facts, profile: filled });
  return filled;
}

const isComplete = (profile: Profile): profile is CompleteProfile =>
  profile.prefillTokensPerSec !== undefined && profile.decodeTokensPerSec !== undefined && profile.loadMs !== undefined;

function fill(profile: Profile, facts: ModelFacts | undefined, modelId: ModelId): CompleteProfile {
  const size = parametersBillion(facts, modelId);
  const weightsBytes = facts?.weightsBytes ?? size.billion * 1e9 * BYTES_PER_PARAMETER;
  return {
    ...profile,
    prefillTokensPerSec: profile.prefillTokensPerSec ?? bySize('prefillTokensPerSec', size),
    decodeTokensPerSec: profile.decodeTokensPerSec ?? bySize('decodeTokensPerSec', size),
    loadMs: profile.loadMs ?? estimated(loadMsBySize(weightsBytes), '0.5 s + bytes / 150 MB/s (eMMC)'),
  };
}

const bySize = (metric: RateMetric, size: Size): Figure =>
  estimated(sizeLawRate(metric, size.billion), `${sizeLawText(metric)}, ${size.source}`);

const estimated = (value: number, source: string): Figure => ({ value, provenance: 'estimated', n: 0, source });

function parametersBillion(facts: ModelFacts | undefined, modelId: ModelId): Size {
  if (facts?.parametersBillion !== undefined) return sized(facts.parametersBillion, 'model metadata');
  const named = parametersFromName(modelId);
  if (named !== undefined) return sized(named, 'name');
  if (facts !== undefined && facts.weightsBytes > 0) {
    return sized(facts.weightsBytes / (1e9 * BYTES_PER_PARAMETER), 'file size at 4.5 bit per parameter');
  }
  return sized(UNKNOWN_SIZE_BILLION, 'size unknown');
}

type Size = { readonly billion: number; readonly source: string };

const sized = (billion: number, source: string): Size => ({
  billion,
  source: `B = ${Number(billion.toPrecision(3))} (${source})`,
});
