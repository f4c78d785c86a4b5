/** What the runtime's KV cache holds after a run. */
export type KvContent = {
  /** Everything it was given and has written since the cache was last empty, in order. */
  readonly text: string;
  /** LoRA adapter of those runs; its keys and values are of no use to another. */
  readonly lora: string | undefined;
  /**
   * The model itself ended the answer. After an abort it is not known which tokens the cache holds, and after a token
   * limit the last one, written but never read back, may not be in it.
   */
  readonly ended: boolean;
  /** Tokens of that text, as the library counted them run by run; absent where it was not followed from the start. */
  readonly tokens?: number;
};

/** How to give the runtime the next prompt. */
export type HistoryPlan =
  /** Run with `keep_history` and only this text. */
  | { readonly kind: 'append'; readonly text: string }
  /** Clear the cache first and give the whole prompt. */
  | { readonly kind: 'clear'; readonly text: string; readonly reason: string };

/**
 * Decides whether the next prompt may go on from what the KV cache holds. The rendered texts are compared, not the
 * message lists: a template that drops old thoughts, a changed tool, another system text or a stop string that cut the
 * answer all make the texts differ, and an answer from a cache that differs in one token is wrong without a sign.
 */
export function planHistory(
  cached: KvContent | undefined,
  next: { readonly prompt: string; readonly lora?: string },
): HistoryPlan {
  const clear = (reason: string): HistoryPlan => ({ kind: 'clear', text: next.prompt, reason });
  if (cached === undefined) return clear('the cache is empty');
  if (!cached.ended) return clear('the last answer was cut short');
  if (cached.lora !== next.lora) return clear('another LoRA adapter');
  if (!next.prompt.startsWith(cached.text)) return clear('the conversation is another one');
  const text = next.prompt.slice(cached.text.length);
  return text === '' ? clear('nothing was added') : { kind: 'append', text };
}

/** What the cache holds after a run that followed `plan`. `output` is the raw text, special tokens and all. */
export function kvAfterRun(
  cached: KvContent | undefined,
  plan: HistoryPlan,
  run: {
    readonly output: string;
    readonly ended: boolean;
    readonly lora?: string;
    /** Read and written in this run. */
    readonly tokens?: number;
  },
): KvContent {
  const before = plan.kind === 'append' ? (cached?.text ?? '') : '';
  const tokensBefore = plan.kind === 'append' ? cached?.tokens : 0;
  const tokens = run.tokens === undefined || tokensBefore === undefined ? {} : { tokens: tokensBefore + run.tokens };
  return { text: before + plan.text + run.output, lora: run.lora, ended: run.ended, ...tokens };
}
