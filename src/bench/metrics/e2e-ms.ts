import { median } from '../../core/stats.ts';
import { type Metric, series } from './metric.ts';

/** See the definition. */
export const e2eMs: Metric = {
  id: 'e2eMs',
  unit: 'ms',
  side: 'served',
  definition: 'end to end: request sent → end of the reply, at the middle prompt length and the run’s output length',
  measure: (samples) => {
    const complete = samples.requests.filter((request) => request.isComplete);
    const promptTokens = median(complete.map((request) => request.promptTokens));
    return series(
      e2eMs,
      complete.map((request) => request.endMs),
      promptTokens === undefined ? {} : { promptTokens },
    );
  },
};
