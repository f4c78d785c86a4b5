import type { Clock } from '../core/clock.ts';
import type { CountedPrompt } from '../core/decision.ts';
import type { ModelId } from '../core/ids.ts';
import type { PrefixMarks } from '../core/prefix-marks.ts';
import type { PrefixCacheView } from '../core/snapshot.ts';
import type { Supervisor } from '../supervise/supervisor-types.ts';
import { createPrefixMemory, forgetsPrompts, type PrefixMemory, type PrefixRun } from './prefix-memory.ts';
import { type CountRequest, createTokenCounter } from './token-counter.ts';
import { createTokenCounts } from './token-counts.ts';

/** What is known of prompts beyond their characters: what the children's caches hold of them, and how many tokens they are. */
export interface PromptKnowledge {
  /** {@link PrefixMemory.view} */
  readonly cacheOf: (model: ModelId) => PrefixCacheView | undefined;
  /** {@link PrefixMemory.begin}; the engine's own count of the prompt is kept as well. */
  readonly begin: PrefixMemory['begin'];
  /** A child has changed its state; one that has gone holds nothing any more. */
  readonly childMoved: (model: ModelId, state: string) => void;
  /** Counts known of a prompt, without asking anybody. */
  readonly recall: (prefix: PrefixMarks) => readonly CountedPrompt[] | undefined;
  readonly spreadOf: (tokenizer: string) => number;
  /** Asks children that are up; never rejects. */
  readonly count: (request: CountRequest) => Promise<readonly CountedPrompt[]>;
}

/** Knows nothing yet. */
export function createPromptKnowledge(
  clock: Clock,
  supervisor: Pick<Supervisor, 'views' | 'connectionOf'>,
): PromptKnowledge {
  const factsOf = (model: ModelId) => supervisor.views().get(model)?.facts;
  const memory = createPrefixMemory((model) => factsOf(model)?.prefixCache);
  const counts = createTokenCounts();
  const { views, connectionOf } = supervisor;
  const counter = createTokenCounter({
    clock,
    counts,
    views: views.bind(supervisor),
    connectionOf: connectionOf.bind(supervisor),
  });
  const remember = (model: ModelId, prefix: PrefixMarks, promptTokens: number | undefined) => {
    const tokenizer = factsOf(model)?.tokenizer;
    if (tokenizer === undefined || promptTokens === undefined) return;
    counts.remember(tokenizer, { prefix, tokens: promptTokens, by: model });
  };
  return {
    cacheOf: memory.view,
    begin: (model, prefix) => {
      if (prefix === undefined) return undefined;
      const run = memory.begin(model, prefix);
      return counting(run, (promptTokens) => remember(model, prefix, promptTokens));
    },
    childMoved: (model, state) => {
      if (forgetsPrompts(state)) memory.forget(model);
    },
    recall: counts.recall,
    spreadOf: counts.spreadOf,
    count: counter.count,
  };
}

function counting(run: PrefixRun | undefined, remember: (promptTokens: number | undefined) => void): PrefixRun {
  let over = false;
  return {
    end: (told) => {
      if (!over) remember(told.promptTokens);
      over = true;
      run?.end(told);
    },
  };
}
