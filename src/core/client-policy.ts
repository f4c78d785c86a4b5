import type { ModelClass } from './classes.ts';
import type { ModelId } from './ids.ts';

/** Who may ask, and how much. */
export type ClientPolicy = {
  readonly name: string;
  /** Environment variable that holds the API key. */
  readonly keyEnv: string;
  readonly class: ModelClass | undefined;
  readonly requestsPerMinute: number | undefined;
  /** Upper bound put on `max_tokens`. */
  readonly maxTokens: number | undefined;
  readonly concurrent: number | undefined;
  /** Classes it may use; absent = all. */
  readonly classes?: readonly ModelClass[] | undefined;
  /** Models it may use; absent = all. */
  readonly models?: readonly ModelId[] | undefined;
  /** Prompt and output together. */
  readonly tokensPerMinute?: number | undefined;
  /** From midnight to midnight in the time zone of `batch`. */
  readonly daily?: DailyBudget | undefined;
};

/** What a client may use up in one day; undefined = no bound. */
export type DailyBudget = {
  readonly requests: number | undefined;
  /** Prompt and output together. */
  readonly tokens: number | undefined;
};
