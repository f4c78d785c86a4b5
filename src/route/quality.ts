import type { Task } from '../core/classes.ts';
import type { ModelPolicy } from '../core/policy.ts';
import type { Figure, Profile } from '../core/profile.ts';
import type { ModelView } from '../core/snapshot.ts';

/**
 * Items the policy's prior is worth: as much as one task of the item set, so that a first measurement and the prior count
 * alike and later ones outweigh it.
 */
const PRIOR_ITEMS = 12;

/** Quality of a model at a task that routing counts on, 0..1; see {@link quality}. */
export const qualityOf = (model: ModelPolicy, { profile }: Pick<ModelView, 'profile'>, task: Task): number =>
  quality(model.quality, profile[`quality.${task}`]);

/**
 * Quality that is counted on, 0..1, from the policy's prior and what was measured of the task:
 *
 *   max( low, min( prior, (12 · prior + n · share) / (12 + n) ) )        low = lower end of Wilson's interval
 *
 * A model is thought better than its prior only as far as the lower end certifies it, and worse by as much as the items
 * outweigh the prior. The lower end alone was used before: with a dozen items 10 right come to 0.55, so a good model that
 * had been measured lost to one that had not. Now a share at or above the prior never costs anything, one more right
 * answer never does either, and none of a dozen right still halves the prior.
 *
 * The prior where nothing was measured; the figure itself where it has no samples (published figures).
 * To three decimals, the prior excepted.
 */
export function quality(prior: number, measured: Figure | undefined): number {
  if (measured === undefined) return prior;
  const { value, n, low } = measured;
  if (n === 0) return value;
  const blended = (PRIOR_ITEMS * prior + n * value) / (PRIOR_ITEMS + n);
  const counted = Math.max(low ?? 0, Math.min(prior, blended));
  const rounded = Math.round(counted * 1000) / 1000;
  return counted < prior ? Math.min(prior, rounded) : Math.max(prior, rounded);
}

/** More than this share of degenerate answers means a broken file or setting, and not that it was a bad day. */
const DEGENERATE_SHARE_MAX = 0.05;

/** Why a model is kept from being chosen: too many of its answers had fallen apart. Undefined where none were looked at. */
export function quarantineReason({ degenerateAnswers }: Profile): string | undefined {
  if (degenerateAnswers === undefined || degenerateAnswers.value <= DEGENERATE_SHARE_MAX) return undefined;
  const { value, n, source } = degenerateAnswers;
  return `${Math.round(value * n)} of ${n} answers had fallen apart (${source})`;
}
