import type { ModelId } from '../core/ids.ts';
import type { PrefixMarks } from '../core/prefix-marks.ts';
import type { PrefixCacheFacts } from '../core/profile.ts';
import type { PrefixCacheView } from '../core/snapshot.ts';
import { createHeldPrompts, type HeldPrompts } from './held-prompts.ts';

/**
 * Remembers which prompts the children hold in their caches, so that a prediction does not count what need not be read
 * again. What an engine really had is told by its own `cache_n` after every run, and how far it kept our promises is
 * learned for each model:
 *
 *   promise = share found in the memory × reliability          (reliability moves towards cache_n / share found)
 *
 * so that a model whose cache is off, or works in a way we do not know, is soon promised nothing.
 * Bounded: a model's slots and at most 32 prompts beside them, each a few hundred numbers.
 */
export interface PrefixMemory {
  /** What `decide` may know of one model's caches; undefined where they are empty. */
  view(model: ModelId): PrefixCacheView | undefined;
  /** A prompt goes to the engine. Undefined where nothing is known of the engine's cache, or of the prompt. */
  begin(model: ModelId, prefix: PrefixMarks | undefined): PrefixRun | undefined;
  /** The model's process has gone, and its caches with it. What was learned of its reliability is kept. */
  forget(model: ModelId): void;
}

/** One run of an engine, as its caches see it. */
export interface PrefixRun {
  /** The run is over, well or badly; a second call does nothing. */
  end(told: PrefixOutcome): void;
}

/** What is known of a run when it has ended. Figures are the engine's own; absent where it did not tell. */
export type PrefixOutcome = {
  readonly promptTokens?: number | undefined;
  readonly cachedTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  /** Share of the prompt that was read, 0..1: less than 1 where a run was given up before its first token. */
  readonly promptRead: number;
};

type Memory = { prompts: HeldPrompts; readonly facts: PrefixCacheFacts; readonly trust: Trust };

/** What has been learned of one model, 0..1 each. */
export type Trust = {
  /** Share of what the memory finds that the engine finds as well. */
  reliability: number;
  reliabilitySamples: number;
  /**
   * Share of an answer that the engine finds again when the answer comes back as part of the next prompt: less than 1
   * where the template drops thoughts, or where text and generated tokens are cut into tokens differently.
   */
  answer: number;
  answerSamples: number;
};

/** A memory of nothing; `factsOf` tells how a model's engine keeps prompts. */
export function createPrefixMemory(factsOf: (model: ModelId) => PrefixCacheFacts | undefined): PrefixMemory {
  const memories = new Map<ModelId, Memory>();
  const memoryOf = (model: ModelId): Memory | undefined => {
    const facts = factsOf(model);
    const known = memories.get(model);
    if (facts === undefined) return undefined;
    if (known !== undefined && known.facts === facts) return known;
    // Other settings are another process; only what was learned of the model's ways may still hold.
    const trust = known?.trust ?? freshTrust();
    const memory = { prompts: createHeldPrompts(facts, trust), facts, trust };
    memories.set(model, memory);
    return memory;
  };
  return {
    view: (model) => {
      const memory = memories.get(model);
      return memory === undefined || memory.prompts.isEmpty ? undefined : viewOf(memory);
    },
    begin: (model, prefix) => {
      if (prefix === undefined || prefix.hashes.length === 0) return undefined;
      const memory = memoryOf(model);
      return memory === undefined ? undefined : beginRun(memory, prefix);
    },
    forget: (model) => {
      const memory = memories.get(model);
      if (memory !== undefined) memory.prompts = createHeldPrompts(memory.facts, memory.trust);
    },
  };
}

/** True for a child's state (`child.state`, `to`) in which its process is gone, or is about to go. */
export const forgetsPrompts = (state: string): boolean => state !== 'ready' && state !== 'busy';

const freshTrust = (): Trust => ({ reliability: 1, reliabilitySamples: 1, answer: 1, answerSamples: 0 });

const viewOf = ({ prompts, trust }: Memory): PrefixCacheView => ({
  cachedShare: (prefix) => (prefix.hashes.length === 0 ? 0 : prompts.find(prefix).share * trust.reliability),
});

/** Fewer tokens than this are the template's first words, which any two prompts share: they say nothing of the cache. */
const VERIFIED_TOKENS_MIN = 32;
/** An answer shorter than this is mostly its frame. */
const VERIFIED_ANSWER_TOKENS_MIN = 8;

function beginRun({ prompts, trust }: Memory, prefix: PrefixMarks): PrefixRun {
  const taken = prompts.take(prefix);
  let over = false;
  return {
    end: (told) => {
      if (over) return;
      over = true;
      prompts.give(taken, told);
      const { promptTokens, cachedTokens } = told;
      if (promptTokens === undefined || cachedTokens === undefined || promptTokens <= 0) return;
      const sure = taken.found.shareBeforeAnswer * promptTokens;
      if (sure >= VERIFIED_TOKENS_MIN) learnReliability(trust, Math.min(1, cachedTokens / sure));
      const answer = taken.found.answerShare * promptTokens;
      if (answer >= VERIFIED_ANSWER_TOKENS_MIN && cachedTokens >= sure / 2) {
        learnAnswer(trust, Math.min(1, Math.max(0, (cachedTokens - sure) / answer)));
      }
    },
  };
}

/**
 * Weight of the newest sample once there are a few. One miss among hits costs little, which a prompt near a threshold of
 * the engine's own rules may be; a cache that never works is found out within five runs.
 */
const GAIN_MIN = 0.15;

function learnReliability(trust: Trust, seen: number): void {
  trust.reliabilitySamples += 1;
  trust.reliability += (seen - trust.reliability) * Math.max(GAIN_MIN, 1 / trust.reliabilitySamples);
}

function learnAnswer(trust: Trust, seen: number): void {
  trust.answerSamples += 1;
  trust.answer += (seen - trust.answer) * Math.max(GAIN_MIN, 1 / trust.answerSamples);
}
