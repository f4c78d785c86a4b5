import { type Metric, series } from './metric.ts';
import { fitTextLine, textLinesByRepetition } from './text-line.ts';

/** See the definition. */
export const charsPerToken: Metric = {
  id: 'charsPerToken',
  unit: 'characters per token',
  side: 'served',
  definition:
    'UTF-16 units of message text per prompt token: 1 / slope of the line of prompt tokens over characters, on the run’s English prose',
  measure: (samples) => {
    const line = fitTextLine(samples.requests);
    if (line === undefined) return [];
    return series(
      charsPerToken,
      textLinesByRepetition(samples).map((one) => one.charsPerToken),
      { value: line.charsPerToken },
    );
  },
};
