import type { Task } from '../core/classes.ts';
import type { ModelPolicy } from '../core/policy.ts';
import type { ModelView } from '../core/snapshot.ts';

/**
 * Lower bound of a model's quality at a task, 0..1: the low end of what was measured for that task here or elsewhere,
 * else the policy's prior, which is one number for all tasks.
 */
export function qualityOf(model: ModelPolicy, view: Pick<ModelView, 'profile'>, task: Task): number {
  const measured = view.profile[`quality.${task}`];
  return measured === undefined ? model.quality : (measured.low ?? measured.value);
}
