import { formatDurationMs } from '../core/format.ts';
import type { IdleBenchPolicy } from '../core/policy.ts';
import type { Profile } from '../core/profile.ts';

/** What speaks for measuring a model again. */
export type Freshness = {
  readonly profile: Profile;
  /** Why its figures belong to another state of the machine. */
  readonly stale: readonly string[];
  /** Its device has become slower than its figures say. */
  readonly isDrifting: boolean;
};

/**
 * Why a model should be measured again, one line each; empty = its figures are good. The most pressing reason comes
 * first: drifting figures mislead now, old ones perhaps.
 */
export function reasonsToMeasure(
  { profile, stale, isDrifting }: Freshness,
  idle: Pick<IdleBenchPolicy, 'maxAgeMs'>,
  nowMs: number,
): readonly string[] {
  const rates = [profile.prefillTokensPerSec, profile.decodeTokensPerSec];
  const isMissing = rates.some((figure) => figure?.provenance !== 'measured');
  const oldest = Math.min(...rates.map((figure) => (figure?.at === undefined ? nowMs : Date.parse(figure.at))));
  const ageMs = nowMs - oldest;
  return [
    ...(isDrifting ? ['the device has become slower than its figures say'] : []),
    ...stale,
    ...(isMissing ? ['it has not been measured on this machine'] : []),
    ...(!isMissing && ageMs > idle.maxAgeMs ? [`its figures are ${formatDurationMs(ageMs)} old`] : []),
  ];
}
