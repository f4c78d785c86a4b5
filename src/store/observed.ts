import type { Figure, ProfileMetric } from '../core/profile.ts';
import { fitLine, median } from '../core/stats.ts';
import { CHARS_PER_TOKEN } from '../route/prompt-tokens.ts';
import type { ProfileRow } from './bench-tables.ts';
import type { Observation } from './observation-table.ts';

/** Fewer generated tokens than this say more about the timer than about the decode rate. */
export const OUTPUT_TOKENS_MIN = 4;
/** Fewer uncached prompt tokens than this say more about the fixed cost than about the prefill rate. */
export const PREFILL_TOKENS_MIN = 8;
/** A fit of tokens over characters needs this many prompts, the longest at least twice the shortest. */
const FIT_PROMPTS_MIN = 5;
/** Of a shorter prompt the template is so large a part that a ratio of the whole says nothing about a longer one. */
const RATIO_CHARS_MIN = 400;

/**
 * Figures that live traffic shows, each the median over the window of observations given; a metric nothing was
 * observed for is absent. Deliberately simple rates: a controlled benchmark is trusted more anyway.
 * No interval: a bootstrap after every request would cost more than routing it.
 */
export function observedRows(observations: readonly Observation[]): readonly ProfileRow[] {
  const at = observations.at(-1)?.atMs;
  const row = (metric: ProfileMetric, values: readonly number[], source: string): readonly ProfileRow[] => {
    const value = median(values);
    if (value === undefined || at === undefined) return [];
    const figure: Figure = {
      value,
      provenance: 'observed',
      n: values.length,
      source,
      at: new Date(at).toISOString(),
    };
    return [{ metric, figure }];
  };
  return [
    ...row('prefillTokensPerSec', observations.flatMap(prefillRate), 'median of live requests'),
    ...row('decodeTokensPerSec', observations.flatMap(decodeRate), 'median of live requests'),
    ...row('loadMs', observations.flatMap(loadTime), 'median of live loads'),
    ...textRows(observations, row),
  ];
}

function prefillRate(seen: Observation): readonly number[] {
  const uncached = (seen.promptTokens ?? 0) - (seen.cachedTokens ?? 0);
  if (uncached < PREFILL_TOKENS_MIN || seen.prefillMs === undefined || seen.prefillMs <= 0) return [];
  return [(uncached * 1000) / seen.prefillMs];
}

function decodeRate(seen: Observation): readonly number[] {
  const tokens = seen.outputTokens ?? 0;
  if (tokens < OUTPUT_TOKENS_MIN || seen.decodeMs === undefined || seen.decodeMs <= 0) return [];
  return [(tokens * 1000) / seen.decodeMs];
}

const loadTime = (seen: Observation): readonly number[] =>
  seen.loadMs === undefined || seen.loadMs <= 0 ? [] : [seen.loadMs];

type MakeRow = (metric: ProfileMetric, values: readonly number[], source: string) => readonly ProfileRow[];

/**
 * Tokens of a prompt = chars / charsPerToken + templateTokens. With prompts of different lengths both come out of a
 * least-squares line; with prompts all alike only their ratio is known, which then holds the template's part too. Short
 * ones tell of the template alone: 25 tokens of a "Well?" would make 7,000 of a page that has 1,000, and refuse it.
 */
function textRows(observations: readonly Observation[], row: MakeRow): readonly ProfileRow[] {
  const prompts = observations.flatMap(({ promptChars = 0, promptTokens = 0 }) =>
    promptChars > 0 && promptTokens > 0 ? [{ x: promptChars, y: promptTokens }] : [],
  );
  const lengths = prompts.map((prompt) => prompt.x);
  const spread = Math.max(...lengths) >= 2 * Math.min(...lengths);
  const line = prompts.length >= FIT_PROMPTS_MIN && spread ? fitLine(prompts) : undefined;
  // A slope outside of 1 token per 1..12 characters or a negative template means the texts were too different to fit.
  if (line !== undefined && line.slope >= 1 / 12 && line.slope <= 1 && line.intercept >= 0) {
    const source = `line through ${prompts.length} live prompts`;
    const widened = (value: number) => prompts.map(() => value);
    return [
      ...row('charsPerToken', widened(1 / line.slope), source),
      ...row('templateTokens', widened(line.intercept), source),
    ];
  }
  const long = prompts.filter(({ x }) => x >= RATIO_CHARS_MIN);
  if (long.length > 0) {
    return row(
      'charsPerToken',
      long.map(({ x, y }) => x / y),
      'median ratio of live prompts, chat template included',
    );
  }
  return row(
    'templateTokens',
    prompts.map(({ x, y }) => Math.max(0, y - x / CHARS_PER_TOKEN)),
    `median of short live prompts, less a token for ${CHARS_PER_TOKEN} characters`,
  );
}
