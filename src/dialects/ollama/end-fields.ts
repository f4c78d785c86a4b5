import type { EngineFinal } from '../engine/final.ts';

const NS_PER_MS = 1e6;

type Ending = {
  /** Of the whole request, ms, where the router did not say. */
  readonly elapsedMs: number;
  /** Fields of the request that nobody here could honour. */
  readonly ignored: readonly string[];
};

/**
 * The fields that end an answer, as JSON text without braces. Durations are in ns: the router's own for the whole request
 * and the load, the engine's for prompt and answer. What nobody knows is left out.
 */
export function answerEnd(final: EngineFinal, { elapsedMs, ignored }: Ending): string {
  const { e2eMs, loadMs } = timesOf(final);
  return endFields({
    // A call of a tool ends a turn like any other here.
    done_reason: final.finishReason === 'length' ? 'length' : 'stop',
    total_duration: ns(e2eMs ?? elapsedMs),
    load_duration: ns(loadMs),
    prompt_eval_count: final.promptTokens,
    prompt_eval_duration: ns(final.prefillMs),
    eval_count: final.outputTokens,
    eval_duration: ns(final.decodeMs),
    x_router: withIgnored(final.xRouter, ignored),
  });
}

/** The same of an answer in vectors, which has neither reason nor decode. */
export function embedEnd(final: EngineFinal, { elapsedMs, ignored }: Ending): Readonly<Record<string, unknown>> {
  const { e2eMs, loadMs } = timesOf(final);
  return {
    total_duration: ns(e2eMs ?? elapsedMs),
    load_duration: ns(loadMs),
    prompt_eval_count: final.promptTokens,
    x_router: withIgnored(final.xRouter, ignored),
  };
}

/** The end of an answer that only loaded or unloaded a model, which took this long. */
export function residencyEnd(reason: 'load' | 'unload', elapsedMs: number): string {
  const loadMs = reason === 'load' ? elapsedMs : 0;
  return endFields({ done_reason: reason, total_duration: ns(elapsedMs), load_duration: ns(loadMs) });
}

function timesOf({ xRouter }: EngineFinal): { readonly e2eMs: unknown; readonly loadMs: unknown } {
  const actual = (xRouter?.['actual'] ?? {}) as { readonly e2e_ms?: unknown; readonly load_ms?: unknown };
  return { e2eMs: actual.e2e_ms, loadMs: actual.load_ms ?? 0 };
}

const endFields = (fields: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ done: true, ...fields }).slice(1, -1);

const ns = (ms: unknown): number | undefined => (typeof ms === 'number' ? Math.round(ms * NS_PER_MS) : undefined);

function withIgnored(xRouter: EngineFinal['xRouter'], ignored: readonly string[]): EngineFinal['xRouter'] {
  if (xRouter === undefined || ignored.length === 0) return xRouter;
  const before = Array.isArray(xRouter['ignored']) ? (xRouter['ignored'] as readonly unknown[]) : [];
  return { ...xRouter, ignored: [...new Set([...ignored, ...before])] };
}
