import type { PerplexityFigures, WithError } from '../quality/parse-perplexity.ts';
import { type Metric, SAMPLES_MIN, type Series } from './metric.ts';

type ImportedMetric = Omit<Metric, 'measure'>;

/** See the definition. */
export const perplexity: ImportedMetric = {
  id: 'perplexity',
  unit: 'factor',
  side: 'raw',
  definition:
    'exp of the mean negative log-likelihood per token of a text, as llama-perplexity printed it; comparable only between models of one tokenizer on one text; the interval is 1.96 of its standard errors, n its chunks',
};

/** See the definition. */
export const klDivergence: ImportedMetric = {
  id: 'klDivergence',
  unit: 'nats',
  side: 'raw',
  definition:
    "mean divergence of a model's next-token distribution from that of its base model (usually unquantized), as llama-perplexity printed it; 0 where they are equal",
};

/** See the definition. */
export const sameTopToken: ImportedMetric = {
  id: 'sameTopToken',
  unit: 'share',
  side: 'raw',
  definition:
    'share of tokens for which a model and its base model have the same first choice, as llama-perplexity printed it',
};

/** Metrics that no run of ours measures. */
export const IMPORTED_METRICS: readonly ImportedMetric[] = [perplexity, klDivergence, sameTopToken];

/** The series of a run of llama-perplexity: one, or three where it compared with a base model. */
export function perplexitySeries(figures: PerplexityFigures): readonly Series[] {
  const n = figures.chunks ?? 1;
  const one = ({ id, unit, side }: ImportedMetric, found: WithError | undefined, most = Number.POSITIVE_INFINITY) => {
    if (found === undefined) return [];
    const { value, error } = found;
    const low = Math.max(id === 'perplexity' ? 1 : 0, value - 1.96 * error);
    const high = Math.min(most, value + 1.96 * error);
    // Rounding prints a divergence of nothing as -0.000000.
    const counted = Math.max(0, value);
    return [{ metric: id, unit, side, value: counted, low, high, n, provisional: n < SAMPLES_MIN, samples: [counted] }];
  };
  return [
    ...one(perplexity, figures.perplexity),
    ...one(klDivergence, figures.klDivergence),
    ...one(sameTopToken, figures.sameTopToken, 1),
  ];
}
