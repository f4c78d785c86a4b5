import { median } from '../../core/stats.ts';
import { type BenchSamples, PROMPT_LENGTHS, type RequestSample } from './metric.ts';
import { fitNonNegative, type Point } from './non-negative-fit.ts';
import { timeBetweenTokens } from './tpot-ms.ts';

/** TPOT(P, N) = perToken + (P + N / 2) · perContext, in ms: `core/service-model.ts`, per token. */
export type DecodeCurve = { readonly msPerToken: number; readonly contextMs: number };

/**
 * The line of TPOT over the depth of the middle token, through the medians of every prompt length that generated enough
 * tokens, and one line per repetition. Undefined below two depths, or where the deepest is not at least four times the
 * shallowest: closer ones tell noise.
 */
export function fitDecodeCurve(
  samples: Pick<BenchSamples, 'requests' | 'deep'>,
): { readonly curve: DecodeCurve; readonly repetitions: readonly DecodeCurve[] } | undefined {
  const groups = [
    ...PROMPT_LENGTHS.map((length) => samples.requests.filter((request) => request.length === length)),
    samples.deep,
  ];
  const medians = groups.flatMap((group) => {
    const points = group.flatMap(toPoint);
    const x = median(points.map((point) => point.x));
    const y = median(points.map((point) => point.y));
    return x === undefined || y === undefined ? [] : [{ x, y }];
  });
  const curve = lineThrough(medians);
  if (curve === undefined) return undefined;
  const everything = [...samples.requests, ...samples.deep];
  const rounds = [...new Set(everything.map((request) => request.repetition))];
  const repetitions = rounds.flatMap(
    (round) => lineThrough(everything.filter((request) => request.repetition === round).flatMap(toPoint)) ?? [],
  );
  return { curve, repetitions };
}

/** Gaps fewer than this are the first token's and the scheduler's, not the model's. */
const GAPS_MIN = 7;
const DEPTH_SPAN_MIN = 4;

function toPoint(request: RequestSample): readonly Point[] {
  if (request.outputTokens <= GAPS_MIN) return [];
  return timeBetweenTokens(request).map((y) => ({ x: request.promptTokens + request.outputTokens / 2, y }));
}

function lineThrough(points: readonly Point[]): DecodeCurve | undefined {
  const depths = points.map(({ x }) => x);
  if (points.length < 2 || Math.max(...depths) < DEPTH_SPAN_MIN * Math.min(...depths)) return undefined;
  const fitted = fitNonNegative(points, [() => 1, (x) => x], 0);
  return fitted === undefined ? undefined : { msPerToken: fitted[0] ?? 0, contextMs: fitted[1] ?? 0 };
}
