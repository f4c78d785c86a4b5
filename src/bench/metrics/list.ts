import { charsPerToken } from './chars-per-token.ts';
import { decodeRate } from './decode-rate.ts';
import { e2eMs } from './e2e-ms.ts';
import { loadMs } from './load-ms.ts';
import type { Metric } from './metric.ts';
import { peakMemory } from './peak-memory.ts';
import { prefillFixedMs } from './prefill-fixed-ms.ts';
import { prefillRate } from './prefill-rate.ts';
import { rawDecodeRate, rawPrefillRate } from './raw-rates.ts';
import { templateTokens } from './template-tokens.ts';
import { tpotMs } from './tpot-ms.ts';
import { ttftMs } from './ttft-ms.ts';

/** Every metric a benchmark run can give, in the order people read them. */
export const METRICS: readonly Metric[] = [
  rawPrefillRate,
  rawDecodeRate,
  loadMs,
  ttftMs,
  prefillRate,
  prefillFixedMs,
  tpotMs,
  decodeRate,
  e2eMs,
  peakMemory,
  charsPerToken,
  templateTokens,
];
