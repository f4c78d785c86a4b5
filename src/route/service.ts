import { familyName } from '../core/names.ts';
import type { ModelPolicy } from '../core/policy.ts';
import { PROVENANCES, type Provenance, provenanceRank } from '../core/profile.ts';
import type { ServiceModel } from '../core/service-model.ts';
import type { ModelView } from '../core/snapshot.ts';
import { type CompleteProfile, completeProfile } from './estimate.ts';
import { UNLOAD_MS } from './memory.ts';

/** A model's figures as a prediction uses them. */
export type ServiceFigures = {
  readonly profile: CompleteProfile;
  readonly service: ServiceModel;
  /** Least trusted figure among those of a generation, and of a generation with a load before it. */
  readonly runBasis: Provenance;
  readonly loadBasis: Provenance;
};

// By the completed profile, which keeps its identity until a figure changes.
const known = new WeakMap<CompleteProfile, ServiceFigures>();

/** Service model of a model, gaps filled by estimates; the same object as long as the profile is the same. */
export function serviceFigures(view: Pick<ModelView, 'profile' | 'facts'>, model: ModelPolicy): ServiceFigures {
  const profile = completeProfile(view.profile, view.facts, model.id);
  let figures = known.get(profile);
  if (figures === undefined) {
    figures = figuresOf(profile);
    known.set(profile, figures);
  }
  return figures;
}

function figuresOf(profile: CompleteProfile): ServiceFigures {
  const runBasis = leastTrusted([
    profile.prefillTokensPerSec.provenance,
    profile.decodeTokensPerSec.provenance,
    profile.prefillFixedMs?.provenance,
  ]);
  return {
    profile,
    service: {
      prefillFixedMs: profile.prefillFixedMs?.value ?? 0,
      prefillMsPerToken: 1000 / profile.prefillTokensPerSec.value,
      // Unknown slopes are taken for flat: the rates are those of the prompt lengths that were measured.
      prefillContextMs: profile.prefillContextMs?.value ?? 0,
      decodeMsPerToken: 1000 / profile.decodeTokensPerSec.value,
      decodeContextMs: profile.decodeContextMs?.value ?? 0,
      loadMs: profile.loadMs.value,
      loadColdMs: profile.loadColdMs?.value,
      unloadMs: profile.unloadMs?.value ?? UNLOAD_MS,
    },
    runBasis,
    loadBasis: leastTrusted([runBasis, profile.loadMs.provenance]),
  };
}

function leastTrusted(provenances: readonly (Provenance | undefined)[]): Provenance {
  let worst: Provenance = 'measured';
  for (const one of provenances) if (one !== undefined && provenanceRank(one) > provenanceRank(worst)) worst = one;
  return worst;
}

/** One step less trusted, for figures taken in another state of the machine. */
export const stepDown = (basis: Provenance): Provenance =>
  PROVENANCES[Math.min(PROVENANCES.length - 1, provenanceRank(basis) + 1)] ?? 'estimated';

// Policies are replaced whole, so a model's family is worked out once per policy.
const families = new WeakMap<ModelPolicy, string>();

/** {@link familyName} of a model's file. */
export function familyOf(model: ModelPolicy): string {
  let family = families.get(model);
  if (family === undefined) {
    family = familyName(model.file);
    families.set(model, family);
  }
  return family;
}
