import { median } from '../../core/stats.ts';
import { type BenchSamples, PROMPT_LENGTHS, type RequestSample } from './metric.ts';
import { fitNonNegative, type Point } from './non-negative-fit.ts';

/** Which time of a request counts as its prefill. */
export type PrefillTime = (request: RequestSample) => number | undefined;

/**
 * TTFT(P) = fixed + P · perToken + P² / 2 · perContext, in ms: what every prompt costs, what each of its tokens costs, and
 * what each token costs more for every token before it (`core/service-model.ts`, nothing cached). One length could not
 * tell the first two apart, three close ones not the third: `contextMs` is undefined without the extra long prompt.
 */
export type PrefillCurve = {
  readonly fixedMs: number;
  readonly msPerToken: number;
  readonly contextMs: number | undefined;
};

/** The curve through all repetitions, and one per repetition for the intervals. */
export type PrefillCurves = { readonly curve: PrefillCurve; readonly repetitions: readonly PrefillCurve[] };

/**
 * Fits the curve to the medians of TTFT at each prompt length, weighted by 1/TTFT² because errors grow with the time;
 * no coefficient goes below zero. Undefined below two lengths. `timeMs` is the time put over the length, TTFT where not
 * given.
 */
export function fitPrefillCurve(
  samples: Pick<BenchSamples, 'requests' | 'deep'>,
  timeMs: PrefillTime = (request) => request.firstMs,
): PrefillCurves | undefined {
  const groups = [
    ...PROMPT_LENGTHS.map((length) => samples.requests.filter((request) => request.length === length)),
    samples.deep,
  ];
  const pointsOf = (requests: readonly RequestSample[]): readonly Point[] =>
    requests.flatMap((request) => {
      const y = timeMs(request);
      return y === undefined ? [] : [{ x: request.promptTokens, y }];
    });
  const medians = groups.flatMap((group) => {
    const points = pointsOf(group);
    const x = median(points.map((point) => point.x));
    const y = median(points.map((point) => point.y));
    return x === undefined || y === undefined ? [] : [{ x, y }];
  });
  const curve = curveThrough(medians);
  if (curve === undefined) return undefined;
  const everything = [...samples.requests, ...samples.deep];
  const rounds = [...new Set(everything.map((request) => request.repetition))];
  const repetitions = rounds.flatMap(
    (round) => curveThrough(pointsOf(everything.filter((request) => request.repetition === round))) ?? [],
  );
  return { curve, repetitions };
}

/** Four different lengths tell a curve from a line that is off. */
const LENGTHS_OF_CURVE = 4;

function curveThrough(points: readonly Point[]): PrefillCurve | undefined {
  const lengths = new Set(points.map(({ x }) => x)).size;
  if (lengths < 2) return undefined;
  const isCurve = lengths >= LENGTHS_OF_CURVE;
  const columns = [() => 1, (x: number) => x, ...(isCurve ? [(x: number) => (x * x) / 2] : [])];
  // The rate must exist, so a fit without the term per token is no answer.
  const fitted = fitNonNegative(points, columns, 1);
  if (fitted === undefined) return undefined;
  const [fixedMs = 0, msPerToken = 0, contextMs] = fitted;
  return { fixedMs, msPerToken, contextMs: isCurve ? (contextMs ?? 0) : undefined };
}
