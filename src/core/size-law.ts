import type { ProfileMetric } from './profile.ts';

/** Metrics the size law knows. */
export type RateMetric = Extract<ProfileMetric, 'prefillTokensPerSec' | 'decodeTokensPerSec'>;

const LAW: Readonly<
  Record<RateMetric, { readonly fixedSec: number; readonly perBillionSec: number; readonly text: string }>
> = {
  prefillTokensPerSec: { fixedSec: 0.027, perBillionSec: 0.0166, text: '1/(0.027 + 0.0166 B)' },
  decodeTokensPerSec: { fixedSec: 0.068, perBillionSec: 0.0655, text: '1/(0.068 + 0.0655 B)' },
};

/**
 * Tokens per second of a model with B billion parameters: seconds per decoded token = 0.068 + 0.0655 B, seconds per
 * prompt token = 0.027 + 0.0166 B. Relative least squares over the five published RK3588 CPU points (llama.cpp, Q4_K_M,
 * 6 threads, 0.8B to 27B); leave-one-out error at most 21 % (decode) and 25 % (prefill). On any other device it is a
 * first guess only, to be scaled by what is known of that device.
 */
export function sizeLawRate(metric: RateMetric, parametersBillion: number): number {
  const { fixedSec, perBillionSec } = LAW[metric];
  return 1 / (fixedSec + perBillionSec * parametersBillion);
}

/** The law as a formula, for a figure's source. */
export const sizeLawText = (metric: RateMetric): string => LAW[metric].text;

/** Process start, memory mapping and first allocation. */
const LOAD_START_MS = 500;
/** eMMC, the middle of what the boards boot from (SD 20 to 40 MB/s, eMMC about 150, NVMe over 1,000). */
const STORAGE_BYTES_PER_MS = 150_000;

/** Load time of a file that has not been loaded here, ms: a start and the file at 150 MB/s. */
export const loadMsBySize = (bytes: number): number => LOAD_START_MS + bytes / STORAGE_BYTES_PER_MS;
