import type { Clock } from '../core/clock.ts';
import type { CountedPrompt } from '../core/decision.ts';
import { GatewayError } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import type { PrefixMarks } from '../core/prefix-marks.ts';
import type { RuntimeConnection } from '../core/runtime.ts';
import type { SupervisedModel } from '../supervise/supervisor-types.ts';
import type { TokenCounts } from './token-counts.ts';

/** Has prompts counted by children that are up, whose template and tokenizer are the ones that will be used. */
export interface TokenCounter {
  /**
   * Exact counts for these tokenizers, as far as a child with the same one is up and answers within the limit; a count
   * that comes later is kept for the next turn. Never rejects.
   */
  count(request: CountRequest): Promise<readonly CountedPrompt[]>;
}

/** A chat request to count. */
export type CountRequest = {
  readonly tokenizers: ReadonlySet<string>;
  readonly prefix: PrefixMarks;
  /** The request as the engine would get it. */
  readonly body: Buffer | string;
  readonly limitMs: number;
};

/** What a counter needs. */
export type TokenCounterParts = {
  readonly clock: Clock;
  readonly counts: TokenCounts;
  readonly views: () => ReadonlyMap<ModelId, SupervisedModel>;
  /** The way to a running child that has loaded. */
  readonly connectionOf: (model: ModelId) => RuntimeConnection | undefined;
};

/** A counter that asks the first child, in the order of the policy, that runs and has the tokenizer. */
export function createTokenCounter(parts: TokenCounterParts): TokenCounter {
  return {
    count: async (request) => {
      const asks = [...request.tokenizers].flatMap((tokenizer) => {
        const by = counterOf(parts, tokenizer);
        return by === undefined ? [] : [ask(parts, request, { tokenizer, by })];
      });
      const counted = await Promise.all(asks);
      return counted.filter((one) => one !== undefined);
    },
  };
}

type Asked = { readonly tokenizer: string; readonly by: ModelId };

function counterOf({ views, connectionOf }: TokenCounterParts, tokenizer: string): ModelId | undefined {
  for (const [id, { facts }] of views()) {
    if (facts?.tokenizer === tokenizer && connectionOf(id)?.countTokens !== undefined) return id;
  }
  return undefined;
}

async function ask(
  { clock, counts, connectionOf }: TokenCounterParts,
  { prefix, body, limitMs }: CountRequest,
  { tokenizer, by }: Asked,
): Promise<CountedPrompt | undefined> {
  const abort = new AbortController();
  let isLate: (value: undefined) => void = () => undefined;
  const late = new Promise<undefined>((resolve) => {
    isLate = resolve;
  });
  const cancels = [
    clock.after(limitMs, () => isLate(undefined)),
    clock.after(GIVE_UP_MS, () => abort.abort(new GatewayError('timeout', `${by} did not count within 2 s`))),
  ];
  const counting = (connectionOf(by)?.countTokens?.(body, abort.signal) ?? Promise.resolve(undefined))
    .then((tokens) => {
      if (tokens === undefined) return undefined;
      counts.remember(tokenizer, { prefix, tokens, by });
      const last = prefix.hashes.length - 1;
      const [chars = 0, messages = 0] = [prefix.chars[last], prefix.messages[last]];
      return { tokenizer, tokens, chars, messages, basis: `counted by ${by}` };
    })
    // A child that cannot count now is no obstacle: the estimate stands.
    .catch(() => undefined)
    .finally(() => {
      for (const cancel of cancels) cancel();
    });
  return Promise.race([counting, late]);
}

/** A child that does not count in this time is not asked to go on. */
const GIVE_UP_MS = 2_000;
