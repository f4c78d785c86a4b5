import { charsPerToken } from './chars-per-token.ts';
import { decodeByDepth } from './decode-by-depth.ts';
import { decodeRate } from './decode-rate.ts';
import { e2eMs } from './e2e-ms.ts';
import { loadMs } from './load-ms.ts';
import type { Metric } from './metric.ts';
import { peakMemory } from './peak-memory.ts';
import { prefillFixedMs } from './prefill-fixed-ms.ts';
import { prefillRate } from './prefill-rate.ts';
import { rawDecodeRate, rawPrefillRate } from './raw-rates.ts';
import { runtimeDecodeRate, runtimePrefillMs, runtimePrefillRate } from './runtime-figures.ts';
import { templateTokens } from './template-tokens.ts';
import { tpotMs } from './tpot-ms.ts';
import { ttftMs } from './ttft-ms.ts';

/** Every metric a benchmark run can give, in the order people read them. */
export const METRICS: readonly Metric[] = [
  rawPrefillRate,
  rawDecodeRate,
  loadMs,
  ttftMs,
  runtimePrefillMs,
  prefillRate,
  runtimePrefillRate,
  prefillFixedMs,
  tpotMs,
  decodeRate,
  runtimeDecodeRate,
  decodeByDepth,
  e2eMs,
  peakMemory,
  charsPerToken,
  templateTokens,
];
