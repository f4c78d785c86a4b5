import { type Metric, series } from './metric.ts';
import { fitTextLine, textLinesByRepetition } from './text-line.ts';

/** See the definition. */
export const templateTokens: Metric = {
  id: 'templateTokens',
  unit: 'tokens',
  side: 'served',
  definition: 'tokens the chat template adds to one message: intercept of the line the characters per token come from',
  measure: (samples) => {
    const line = fitTextLine(samples.requests);
    if (line === undefined) return [];
    return series(
      templateTokens,
      textLinesByRepetition(samples).map((one) => one.templateTokens),
      { value: line.templateTokens },
    );
  },
};
