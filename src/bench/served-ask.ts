import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import type { BenchLease } from './bench-target.ts';
import { fitTextLine, type TextLine } from './metrics/text-line.ts';
import { promptText } from './prompt-text.ts';
import type { TimedRequest } from './samples.ts';
import { requestTimeoutMs } from './served-plan.ts';
import { streamRequest } from './stream-request.ts';

/** Who asks, and until when. */
export type ServedAsk = { readonly model: ModelId; readonly clock: Clock; readonly signal: AbortSignal };

/** How long a prompt is and how many tokens it wants. */
export type Question = {
  readonly chars: number;
  readonly outputTokens: number;
  /** Longest to wait, ms; by the work it asks for where not given. */
  readonly timeoutMs?: number | undefined;
};

/**
 * Sends one prompt nobody has sent before and times the answer. Rejects as {@link streamRequest} does, and with
 * `runtime_failed` where the engine does not tell how many tokens it read.
 */
export async function readAnswer(
  run: ServedAsk,
  lease: BenchLease,
  { chars, outputTokens: wanted, timeoutMs = requestTimeoutMs(chars, wanted) }: Question,
): Promise<{ readonly timed: TimedRequest; readonly cachedTokens: number }> {
  const text = promptText(chars, run.clock.randomHex(6));
  const { firstMs, lastMs, endMs, end } = await streamRequest(
    lease.connection,
    { model: run.model, text, outputTokens: wanted, timeoutMs },
    { clock: run.clock, signal: run.signal },
  );
  const { promptTokens, outputTokens, prefillMs, decodeMs } = end;
  if (promptTokens === undefined || outputTokens === undefined) {
    throw new GatewayError(
      'runtime_failed',
      `${run.model} answered without timings (prompt_n, predicted_n), so nothing can be measured: its runtime is too old`,
    );
  }
  const timed = { promptChars: chars, promptTokens, outputTokens, firstMs, lastMs, endMs, prefillMs, decodeMs };
  return { timed, cachedTokens: end.cachedTokens ?? 0 };
}

/** Sends prompts of these lengths, in characters, for one token each, and says how many characters make a token. */
export async function ask(run: ServedAsk, lease: BenchLease, lengths: readonly number[]): Promise<TextLine> {
  const points: { promptChars: number; promptTokens: number }[] = [];
  for (const chars of lengths) points.push((await readAnswer(run, lease, { chars, outputTokens: 1 })).timed);
  return fitTextLine(points) ?? { charsPerToken: 4, templateTokens: 0 };
}
