import { type Metric, series } from './metric.ts';
import { timePerOutputToken } from './tpot-ms.ts';

/** See the definition. */
export const decodeRate: Metric = {
  id: 'decodeTokensPerSec',
  unit: 'tok/s',
  side: 'served',
  definition: 'decode rate through the served process: 1,000 / TPOT',
  measure: (samples) =>
    series(
      decodeRate,
      samples.requests.flatMap(timePerOutputToken).map((tpot) => 1000 / tpot),
    ),
};
