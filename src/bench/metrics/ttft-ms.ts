import { median } from '../../core/stats.ts';
import { type Metric, PROMPT_LENGTHS, type Series, series } from './metric.ts';

/** See the definition. The role-only first chunk does not count as content. */
export const ttftMs: Metric = {
  id: 'ttftMs',
  unit: 'ms',
  side: 'served',
  definition:
    'time to first token, runtime side: request sent → first content part received, model loaded, nothing of the prompt cached; at three prompt lengths',
  measure: (samples) =>
    PROMPT_LENGTHS.flatMap((length): readonly Series[] => {
      const seen = samples.requests.filter((request) => request.length === length && request.firstMs !== undefined);
      const promptTokens = median(seen.map((request) => request.promptTokens));
      return series(
        ttftMs,
        seen.flatMap((request) => request.firstMs ?? []),
        promptTokens === undefined ? {} : { promptTokens },
      );
    }),
};
