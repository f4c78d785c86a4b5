import { fitLine, type Line, median } from '../../core/stats.ts';
import { type BenchSamples, PROMPT_LENGTHS, type RequestSample } from './metric.ts';

/** Which time of a request counts as its prefill. */
export type PrefillTime = (request: RequestSample) => number | undefined;

/**
 * TTFT(P) = fixed + P / rate: what every prompt costs, and what each of its tokens costs. One length alone could not
 * tell the two apart. `repetitions` holds one line per repetition, for the intervals.
 */
export type PrefillLine = { readonly line: Line; readonly repetitions: readonly Line[] };

/**
 * Least-squares line through the medians of TTFT at each prompt length. Where noise gives a negative fixed part, or
 * shorter times for longer prompts, the line goes through the origin: a rate too low rather than none or a negative one.
 * Undefined below two lengths. `timeMs` is the time put over the prompt's length, TTFT where not given.
 */
export function fitPrefillLine(
  samples: Pick<BenchSamples, 'requests'>,
  timeMs: PrefillTime = (request) => request.firstMs,
): PrefillLine | undefined {
  const pointsOf = (requests: readonly RequestSample[]): readonly Point[] =>
    requests.flatMap((request) => {
      const y = timeMs(request);
      return y === undefined ? [] : [{ x: request.promptTokens, y }];
    });
  const medians = PROMPT_LENGTHS.flatMap((length) => {
    const points = pointsOf(samples.requests.filter((request) => request.length === length));
    const x = median(points.map((point) => point.x));
    const y = median(points.map((point) => point.y));
    return x === undefined || y === undefined ? [] : [{ x, y }];
  });
  const line = usableLine(medians);
  if (line === undefined) return undefined;
  const numbers = new Set(samples.requests.map((request) => request.repetition));
  const repetitions = [...numbers].flatMap((number) => {
    const points = pointsOf(samples.requests.filter((request) => request.repetition === number));
    return usableLine(points) ?? [];
  });
  return { line, repetitions };
}

type Point = { readonly x: number; readonly y: number };

function usableLine(points: readonly Point[]): Line | undefined {
  const line = fitLine(points);
  if (line === undefined || (line.slope > 0 && line.intercept >= 0)) return line;
  const squares = points.reduce((sum, point) => sum + point.x ** 2, 0);
  return { slope: points.reduce((sum, point) => sum + point.x * point.y, 0) / squares, intercept: 0 };
}
