import { type Metric, series } from './metric.ts';

/** See the definition. */
export const rawPrefillRate: Metric = {
  id: 'rawPrefillTokensPerSec',
  unit: 'tok/s',
  side: 'raw',
  definition: 'llama-bench prompt processing, 256 tokens in one go, batch 2,048, micro-batch 512, no warm-up',
  measure: ({ raw }) =>
    raw === undefined ? [] : series(rawPrefillRate, raw.prefillTokensPerSec, { promptTokens: raw.promptTokens }),
};

/** See the definition. */
export const rawDecodeRate: Metric = {
  id: 'rawDecodeTokensPerSec',
  unit: 'tok/s',
  side: 'raw',
  definition: 'llama-bench text generation, 16 tokens, no warm-up',
  measure: ({ raw }) => (raw === undefined ? [] : series(rawDecodeRate, raw.decodeTokensPerSec)),
};
