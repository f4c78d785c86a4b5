import { GatewayError } from '../../core/errors.ts';
import type { Policy } from '../../core/policy.ts';
import type { WorkloadPlan } from '../workload.ts';
import { clairvoyant } from './clairvoyant.ts';
import { lowestLatency } from './lowest-latency.ts';
import { ablations, ours } from './ours.ts';
import { modelsFor, type NamedRule } from './rule.ts';
import { always, bySize, firstResident, random, roundRobin, staticTable } from './simple.ts';

/**
 * Rules to compare, `ours` first: all that can be on this policy without a choice, else those named (`ours` is always
 * among them, since the others are held against it; `ablations` stands for all of them). Throws `usage` for a name that
 * is not known.
 */
export function chooseRules(names: readonly string[], policy: Policy, plan: WorkloadPlan): readonly NamedRule[] {
  const usual: readonly NamedRule[] = [
    ours,
    clairvoyant,
    ...modelsFor(policy, 'interactive').map(always),
    staticTable(plan),
    bySize,
    firstResident,
    lowestLatency,
    roundRobin,
    random,
  ];
  if (names.length === 0) return usual;
  const known = [...usual, ...ablations];
  const chosen = new Set<NamedRule>([ours]);
  for (const name of names) {
    if (name === 'ablations') for (const rule of ablations) chosen.add(rule);
    else chosen.add(findRule(name, known));
  }
  return [...chosen];
}

function findRule(name: string, known: readonly NamedRule[]): NamedRule {
  // Written on a command line, a name with blanks may come with dashes: always-qwen3.5-4b.
  const found = known.find((rule) => rule.name === name || rule.name.replaceAll(' ', '-') === name);
  if (found !== undefined) return found;
  const list = known.map((rule) => rule.name).join(', ');
  throw new GatewayError('usage', `no rule "${name}" to compare with; there are: ${list}, ablations`);
}
