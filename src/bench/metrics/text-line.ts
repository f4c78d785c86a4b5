import { fitLine } from '../../core/stats.ts';
import type { BenchSamples } from './metric.ts';

/** Characters per token of the prompts' text, and tokens the chat template adds to one message. */
export type TextLine = { readonly charsPerToken: number; readonly templateTokens: number };

/** A prompt's length in both measures. */
export type TextPoint = { readonly promptChars: number; readonly promptTokens: number };

/**
 * Least-squares line of prompt tokens over characters of all requests: tokens = chars / charsPerToken + templateTokens.
 * A template cannot take tokens away: a negative intercept counts as zero. Undefined without two different lengths.
 */
export function fitTextLine(requests: readonly TextPoint[]): TextLine | undefined {
  const line = fitLine(requests.map((request) => ({ x: request.promptChars, y: request.promptTokens })));
  if (line === undefined || line.slope <= 0) return undefined;
  return { charsPerToken: 1 / line.slope, templateTokens: Math.max(0, line.intercept) };
}

/** One line per repetition, for the intervals. */
export function textLinesByRepetition(samples: BenchSamples): readonly TextLine[] {
  const numbers = new Set(samples.requests.map((request) => request.repetition));
  return [...numbers].flatMap(
    (number) => fitTextLine(samples.requests.filter((request) => request.repetition === number)) ?? [],
  );
}
