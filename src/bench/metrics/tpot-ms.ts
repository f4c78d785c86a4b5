import { type Metric, type RequestSample, series } from './metric.ts';

/** See the definition; the same figure as aiperf's ITL. */
export const tpotMs: Metric = {
  id: 'tpotMs',
  unit: 'ms',
  side: 'served',
  definition: 'time per output token, first token excluded: (last part − first part) / (output tokens − 1)',
  measure: (samples) => series(tpotMs, samples.requests.flatMap(timePerOutputToken)),
};

/** TPOT of one request, as a list of one; empty for a request of the first tokens only or with fewer than two. */
export function timePerOutputToken(request: RequestSample): readonly number[] {
  return request.isComplete ? timeBetweenTokens(request) : [];
}

/** The same of any request, however few tokens it asked for. */
export function timeBetweenTokens({ firstMs, lastMs, outputTokens }: RequestSample): readonly number[] {
  if (firstMs === undefined || lastMs === undefined || outputTokens < 2 || lastMs <= firstMs) return [];
  return [(lastMs - firstMs) / (outputTokens - 1)];
}
