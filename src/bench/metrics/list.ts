import { charsPerToken } from './chars-per-token.ts';
import { decodeByDepth } from './decode-by-depth.ts';
import { decodeContextMs, decodeRate } from './decode-rate.ts';
import { e2eMs } from './e2e-ms.ts';
import { loadColdMs, loadMs, unloadMs } from './load-ms.ts';
import type { Metric } from './metric.ts';
import { peakMemory, proportionalMemory } from './peak-memory.ts';
import { prefillFixedMs } from './prefill-fixed-ms.ts';
import { prefillContextMs, prefillRate } from './prefill-rate.ts';
import { degenerateAnswers, qualityMetrics } from './quality.ts';
import { rawDecodeContextMs, rawDecodeRate, rawPrefillContextMs, rawPrefillRate } from './raw-rates.ts';
import { runtimeDecodeRate, runtimePrefillMs, runtimePrefillRate } from './runtime-figures.ts';
import { sustainedDecode, sustainedShare } from './sustained.ts';
import { templateTokens } from './template-tokens.ts';
import { tpotMs } from './tpot-ms.ts';
import { ttftMs } from './ttft-ms.ts';

/** Every metric a benchmark run can give, in the order people read them. */
export const METRICS: readonly Metric[] = [
  rawPrefillRate,
  rawDecodeRate,
  rawPrefillContextMs,
  rawDecodeContextMs,
  loadMs,
  loadColdMs,
  unloadMs,
  ttftMs,
  runtimePrefillMs,
  prefillRate,
  runtimePrefillRate,
  prefillFixedMs,
  prefillContextMs,
  tpotMs,
  decodeRate,
  decodeContextMs,
  runtimeDecodeRate,
  decodeByDepth,
  e2eMs,
  peakMemory,
  proportionalMemory,
  sustainedDecode,
  sustainedShare,
  charsPerToken,
  templateTokens,
  ...qualityMetrics,
  degenerateAnswers,
];
