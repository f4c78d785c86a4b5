import type { Task } from '../core/classes.ts';
import type { ModelPolicy } from '../core/policy.ts';
import type { Profile } from '../core/profile.ts';
import type { ModelView } from '../core/snapshot.ts';

/**
 * Lower bound of a model's quality at a task, 0..1: the low end of what was measured for that task here or elsewhere,
 * else the policy's prior, which is one number for all tasks.
 */
export function qualityOf(model: ModelPolicy, view: Pick<ModelView, 'profile'>, task: Task): number {
  const measured = view.profile[`quality.${task}`];
  return measured === undefined ? model.quality : (measured.low ?? measured.value);
}

/** More than this share of degenerate answers means a broken file or setting, and not that it was a bad day. */
const DEGENERATE_SHARE_MAX = 0.05;

/** Why a model is kept from being chosen: too many of its answers had fallen apart. Undefined where none were looked at. */
export function quarantineReason({ degenerateAnswers }: Profile): string | undefined {
  if (degenerateAnswers === undefined || degenerateAnswers.value <= DEGENERATE_SHARE_MAX) return undefined;
  const { value, n, source } = degenerateAnswers;
  return `${Math.round(value * n)} of ${n} answers had fallen apart (${source})`;
}
