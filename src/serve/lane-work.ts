import type { Prediction, Slo } from '../core/decision.ts';
import type { ModelId } from '../core/ids.ts';
import type { Knowledge } from '../core/knowledge.ts';
import { startWithinMs } from '../route/queue-outlook.ts';
import type { LaneRequest } from '../supervise/lane.ts';
import type { Place, ServeJob } from './job.ts';

/** llama-server's own default of `--ubatch-size`. */
const UBATCH_DEFAULT = 512;
/** A decode that has outlived every answer seen so far counts as this share of its expected time still to go. */
const OVERRUN_SHARE = 0.1;

/**
 * Decode time to expect of an answer, ms: halfway between the median and the class's quantile. Answer lengths have a long
 * tail, so their mean lies above the median; of a log-normal of sigma 0.8 it is 1.38 times the median, and this 1.48 times
 * at a quantile of 0.8.
 */
export const expectedDecodeMs = ({ decodeMs, decodeMedianMs }: Prediction): number => (decodeMs + decodeMedianMs) / 2;

/** Work to expect once admitted, ms: load, prefill and decode. Others' waiting time is made of it. */
export const expectedWorkMs = (predicted: Prediction): number =>
  predicted.loadMs + predicted.prefillMs + expectedDecodeMs(predicted);

/** Time from arrival by which the run must begin to meet its targets as predicted, ms; Infinity without a target. */
export function mustStartWithinMs(slo: Slo, { loadMs, prefillMs, decodeMs }: Prediction): number {
  const firstMs = loadMs + prefillMs;
  return startWithinMs(slo, { firstMs, workMs: firstMs + decodeMs });
}

/** A run's request for a lane of the device its model runs on. */
export function laneRequestOf(
  { workload, receivedAtMs }: ServeJob,
  run: {
    readonly model: ModelId;
    readonly place: Place;
    readonly predicted: Prediction;
    /** It has run already and made way. */
    readonly returning: boolean;
  },
): LaneRequest {
  return {
    device: run.place.device,
    slots: run.place.slots,
    class: workload.class,
    model: run.model,
    arrivedMs: receivedAtMs,
    deadlineMs: receivedAtMs + (workload.slo.e2eMs ?? Number.POSITIVE_INFINITY),
    startByMs: receivedAtMs + mustStartWithinMs(workload.slo, run.predicted),
    predictedMs: expectedWorkMs(run.predicted),
    returning: run.returning,
  };
}

/**
 * How long an engine needs to stop, ms, as a function of the time since it was sent the request: it looks for a closed
 * socket between two micro-batches of a prompt, and between two tokens of an answer.
 */
export function cancelMsOf(predicted: Prediction, ubatch: number | undefined): (elapsedMs: number) => number {
  const { promptTokens, cachedTokens, service, calibration } = predicted;
  const batchTokens = Math.min(ubatch ?? UBATCH_DEFAULT, promptTokens - cachedTokens);
  const batchMs = batchTokens * service.prefillMsPerToken * calibration.prefill;
  const stepMs = service.decodeMsPerToken * calibration.decode;
  return (elapsedMs) => (elapsedMs < predicted.prefillMs ? batchMs : Math.min(batchMs, stepMs));
}

/**
 * Work left, ms, as a function of the time since a generation began (`from: 'prompt'`) or since its first token. While it
 * decodes, the tokens it should have produced by now say how many are still to come: the median of what was left of
 * answers that had come so far. Worked out when somebody asks, not with every token.
 */
export function workLeft(
  predicted: Prediction,
  how: {
    readonly from: 'prompt' | 'first token';
    readonly knowledge: Pick<Knowledge, 'remainingTokens'>;
    readonly outputTokensMax: number | undefined;
  },
): (elapsedMs: number) => number {
  const prefillMs = how.from === 'prompt' ? predicted.prefillMs : 0;
  const msPerToken = predicted.decodeMedianMs / Math.max(1, predicted.outputTokensMedian);
  const expectedMs = expectedDecodeMs(predicted);
  return (elapsedMs) => {
    const decodingMs = elapsedMs - prefillMs;
    if (decodingMs <= 0) return expectedMs - decodingMs;
    const generated = msPerToken > 0 ? Math.floor(decodingMs / msPerToken) : 0;
    const learned = how.knowledge.remainingTokens(predicted.outputKey, generated, 0.5);
    if (learned === undefined) return Math.max(expectedMs * OVERRUN_SHARE, expectedMs - decodingMs);
    const bound = how.outputTokensMax === undefined ? learned : Math.min(learned, how.outputTokensMax - generated);
    return Math.max(1, bound) * msPerToken;
  };
}
