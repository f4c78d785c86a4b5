import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../core/package-root.ts';
import type { ClassPolicy, Policy } from '../core/policy.ts';
import { parsePolicy } from '../policy/parse.ts';

/** Names of the sets of targets, see {@link withSlo}. */
export const SLO_SETS = ['tight', 'loose'] as const;
/** One of {@link SLO_SETS}. */
export type SloSet = (typeof SLO_SETS)[number];

/** End-to-end targets of the routing study, ms. */
const E2E_MS: Readonly<Record<SloSet, { readonly interactive: number; readonly quality: number }>> = {
  tight: { interactive: 45_000, quality: 240_000 },
  loose: { interactive: 90_000, quality: 420_000 },
};

/** The policy of the board that is simulated where none is given: an RK3588 with 24 GB. */
export function boardPolicy(): Policy {
  const file = join(packageRoot(), 'src', 'simulate', 'board-policy.yaml');
  return parsePolicy(readFileSync(file, 'utf8'), file);
}

/** The policy with the end-to-end targets of a set: 45 s and 240 s, or 90 s and 420 s. */
export function withSlo(policy: Policy, set: SloSet): Policy {
  const { interactive, quality } = E2E_MS[set];
  const target = (source: ClassPolicy, e2eMs: number): ClassPolicy => ({ ...source, e2eMs });
  return {
    ...policy,
    classes: {
      ...policy.classes,
      interactive: target(policy.classes.interactive, interactive),
      quality: target(policy.classes.quality, quality),
    },
  };
}
