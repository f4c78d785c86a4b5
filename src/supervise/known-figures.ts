import type { Profile } from '../core/profile.ts';
import type { MeasuredFigures } from './entry.ts';

/**
 * The figures of a profile that a load may be planned by. The size law is no base for memory (it is off by -26 to
 * +61 %): where nothing better is known the supervisor reckons from the file and the KV cache.
 */
export function knownFigures({ peakMemoryBytes, loadMs, prefillTokensPerSec }: Profile): ReturnType<MeasuredFigures> {
  return {
    peakMemoryBytes: peakMemoryBytes?.provenance === 'estimated' ? undefined : peakMemoryBytes,
    loadMs: loadMs?.provenance === 'estimated' ? undefined : loadMs,
    // Only lengthens a limit, so a guess is better than none.
    prefillTokensPerSec,
  };
}
