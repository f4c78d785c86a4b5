import { median } from '../../core/stats.ts';
import { type Metric, PROMPT_LENGTHS, type RequestSample, type Series, series } from './metric.ts';
import { timeBetweenTokens } from './tpot-ms.ts';

/** See the definition. Not part of a profile itself: `decodeTokensPerSec` and `decodeContextMs` are fitted to it. */
export const decodeByDepth: Metric = {
  id: 'decodeAtDepthTokensPerSec',
  unit: 'tok/s',
  side: 'served',
  definition:
    'decode rate, 1,000 / TPOT, behind prompts of several lengths (promptTokens says which): the three of the plan, and three quarters of the context or what two minutes can prefill where that is at least half as long again as the longest',
  measure: ({ requests, deep }) =>
    [...PROMPT_LENGTHS.map((length) => requests.filter((request) => request.length === length)), deep].flatMap(atDepth),
};

function atDepth(requests: readonly RequestSample[]): readonly Series[] {
  const promptTokens = median(requests.map((request) => request.promptTokens));
  return series(
    decodeByDepth,
    requests.flatMap(timeBetweenTokens).map((tpot) => 1000 / tpot),
    promptTokens === undefined ? {} : { promptTokens },
  );
}
