import { commonMarks, type PrefixMarks, weightAt } from '../core/prefix-marks.ts';
import type { PrefixCacheFacts } from '../core/profile.ts';
import type { PrefixOutcome, Trust } from './prefix-memory.ts';

/**
 * The prompts one child holds, by the rules of llama-server (`server-context.cpp`, `server-task.cpp`), which decides
 * alone and tells nobody:
 *
 *   slot        the one that has more than a tenth of the new prompt; else the one used longest ago
 *   it leaves   a slot's prompt goes to the cache in RAM when less than half of it is used again
 *   it returns  and a prompt comes back from there when it fits better both ways: more of it, and more of the new one
 *   RAM         the oldest goes first when the cap is reached; what a longer prompt holds as well is dropped
 *
 * Lengths are weights, see `weightAt`: in shares of a prompt they need no tokenizer.
 */
export interface HeldPrompts {
  readonly isEmpty: boolean;
  /** What of a prompt would be found now. */
  find(prefix: PrefixMarks): Found;
  /** The prompt takes its slot, and what it displaces moves. */
  take(prefix: PrefixMarks): Taken;
  /** The slot's run has ended; it holds what was read and written. */
  give(taken: Taken, told: PrefixOutcome): void;
}

/** Shares of the new prompt, 0..1. */
export type Found = {
  /** All that should be found: before the answer, and of the answer as much as usual. */
  readonly share: number;
  readonly shareBeforeAnswer: number;
  /** Length of the last answer where it comes back in the new prompt; 0 where it does not. */
  readonly answerShare: number;
};

/** A slot at work. */
export type Taken = { readonly slot: number; readonly prefix: PrefixMarks; readonly found: Found };

type Held = {
  readonly prefix: PrefixMarks;
  /** How far the prompt was read. */
  readonly readWeight: number;
  /** Prompt as far as read, and answer. */
  readonly weight: number;
  readonly tokensPerWeight: number;
  readonly hasAnswer: boolean;
  /** Ends of earlier turns, where llama-server sets checkpoints; ascending weights. */
  readonly turnEnds: readonly number[];
};

type Match = { readonly held: Held | undefined; readonly beforeAnswer: number; readonly answer: number };

/** llama-server's `--slot-prompt-similarity`. */
const SIMILARITY_MIN = 0.1;
/** Less of a slot's prompt used again, and it is saved before it is overwritten. */
const KEEP_MIN = 0.5;
/** A prompt in RAM of which less would be used is not taken out. */
const RAM_KEEP_MIN = 0.25;
/** More are not remembered, whatever fits the cap. */
const RAM_PROMPTS_MAX = 32;
/** A checkpoint stands this far before the end of a prompt at most. */
const CHECKPOINT_TAIL_TOKENS = 64;
/** Tokens per character of weight where nobody counted. */
const TOKENS_PER_WEIGHT = 1 / 3.6;
/** A share of the answer found again from which on the engine is taken to go on behind it, without going back. */
const CONTINUES_MIN = 0.9;

/** The caches of a child that has just been loaded. `trust` is looked at, not changed. */
export function createHeldPrompts(facts: PrefixCacheFacts, trust: Readonly<Trust>): HeldPrompts {
  return new Prompts(facts, trust);
}

class Prompts implements HeldPrompts {
  readonly #facts: PrefixCacheFacts;
  readonly #trust: Readonly<Trust>;
  readonly #slots: (Held | undefined)[];
  readonly #busy: boolean[];
  readonly #usedAt: number[];
  #uses = 0;
  /** Oldest first. */
  #ram: Held[] = [];

  constructor(facts: PrefixCacheFacts, trust: Readonly<Trust>) {
    const slots = Math.max(1, facts.slots);
    this.#facts = facts;
    this.#trust = trust;
    this.#slots = Array.from({ length: slots }, () => undefined);
    this.#busy = Array.from({ length: slots }, () => false);
    this.#usedAt = Array.from({ length: slots }, () => 0);
  }

  get isEmpty(): boolean {
    return this.#ram.length === 0 && this.#slots.every((held) => held === undefined);
  }

  find(prefix: PrefixMarks): Found {
    const total = weightOf(prefix);
    const inSlot = this.#match(this.#slots[this.#slotFor(prefix)], prefix);
    const inRam = this.#looksInRam(inSlot, total) ? this.#bestInRam(prefix, inSlot, total) : undefined;
    return this.#foundOf(inRam ?? inSlot, total);
  }

  take(prefix: PrefixMarks): Taken {
    const total = weightOf(prefix);
    const slot = this.#slotFor(prefix);
    const inSlot = this.#match(this.#slots[slot], prefix);
    let match = inSlot;
    if (this.#looksInRam(inSlot, total)) {
      const inRam = this.#bestInRam(prefix, inSlot, total);
      if (inRam !== undefined) this.#ram = this.#ram.filter((held) => held !== inRam.held);
      if (inSlot.held !== undefined) this.#save(inSlot.held);
      match = inRam ?? inSlot;
    }
    this.#uses += 1;
    this.#usedAt[slot] = this.#uses;
    this.#busy[slot] = true;
    this.#slots[slot] = match.held;
    return { slot, prefix, found: this.#foundOf(match, total) };
  }

  give({ slot, prefix, found }: Taken, told: PrefixOutcome): void {
    const before = this.#slots[slot];
    const total = weightOf(prefix);
    const readWeight = total * Math.max(found.shareBeforeAnswer, Math.min(1, told.promptRead));
    const isWhole = readWeight >= total;
    const tokensPerWeight =
      told.promptTokens === undefined || total <= 0 ? TOKENS_PER_WEIGHT : told.promptTokens / total;
    const reused = found.share * total;
    const turnEnds = [...(before?.turnEnds.filter((end) => end <= reused) ?? []), ...(isWhole ? [total] : [])];
    this.#busy[slot] = false;
    this.#slots[slot] = {
      prefix,
      readWeight,
      weight: readWeight + (told.outputTokens ?? 0) / tokensPerWeight,
      tokensPerWeight,
      hasAnswer: isWhole && (told.outputTokens ?? 0) > 0,
      turnEnds: turnEnds.slice(-TURN_ENDS_MAX),
    };
  }

  #slotFor(prefix: PrefixMarks): number {
    const total = weightOf(prefix);
    let best = -1;
    let bestShare = SIMILARITY_MIN;
    let oldest = 0;
    for (let slot = 0; slot < this.#slots.length; slot += 1) {
      if (this.#busy[slot] === true && this.#slots.length > 1) continue;
      if (this.#busy[oldest] === true || (this.#usedAt[slot] ?? 0) < (this.#usedAt[oldest] ?? 0)) oldest = slot;
      const share = shareOf(this.#match(this.#slots[slot], prefix), total);
      if (share > bestShare) [best, bestShare] = [slot, share];
    }
    return best === -1 ? oldest : best;
  }

  // The engine looks there only when it is about to lose most of what the slot holds.
  #looksInRam(inSlot: Match, total: number): boolean {
    if (this.#facts.ramBytes <= 0) return false;
    return shareOf(inSlot, total) <= SIMILARITY_MIN || keptOf(inSlot) < KEEP_MIN;
  }

  #bestInRam(prefix: PrefixMarks, inSlot: Match, total: number): Match | undefined {
    let best: Match | undefined;
    let kept = keptOf(inSlot);
    let share = shareOf(inSlot, total);
    for (const held of this.#ram) {
      const match = this.#match(held, prefix);
      const [itsKept, itsShare] = [keptOf(match), shareOf(match, total)];
      if (itsKept < RAM_KEEP_MIN || itsKept <= kept || itsShare <= share) continue;
      best = match;
      kept = itsKept;
      share = itsShare;
    }
    return best;
  }

  #save(held: Held): void {
    const covers = (longer: Held, shorter: Held) =>
      commonMarks(longer.prefix, shorter.prefix) === shorter.prefix.hashes.length && longer.weight >= shorter.weight;
    if (this.#ram.some((other) => covers(other, held))) return;
    this.#ram = [...this.#ram.filter((other) => !covers(held, other)), held];
    const bytesOf = (one: Held) => one.weight * one.tokensPerWeight * this.#facts.bytesPerToken;
    let bytes = this.#ram.reduce((sum, one) => sum + bytesOf(one), 0);
    // The newest stays even where it alone is over the cap.
    while (this.#ram.length > 1 && (bytes > this.#facts.ramBytes || this.#ram.length > RAM_PROMPTS_MAX)) {
      const [oldest] = this.#ram.splice(0, 1);
      bytes -= oldest === undefined ? 0 : bytesOf(oldest);
    }
  }

  #match(held: Held | undefined, prefix: PrefixMarks): Match {
    if (held === undefined) return NO_MATCH;
    const common = commonMarks(held.prefix, prefix);
    if (common === 0) return { held, beforeAnswer: 0, answer: 0 };
    const beforeAnswer = Math.min(weightAt(prefix, common - 1), held.readWeight);
    const continued =
      held.hasAnswer && common === held.prefix.hashes.length && prefix.beforeAnswer[common - 1] === true;
    const answer = continued ? weightAt(prefix, endOfMessage(prefix, common)) - beforeAnswer : 0;
    return { held, beforeAnswer, answer };
  }

  #foundOf(match: Match, total: number): Found {
    const { held, beforeAnswer, answer } = match;
    if (held === undefined || total <= 0) return NOTHING_FOUND;
    switch (this.#facts.reuse) {
      case 'anywhere':
        return this.#shares(beforeAnswer, answer, total);
      case 'append':
        return answer > 0 ? this.#shares(beforeAnswer, answer, total) : NOTHING_FOUND;
      case 'checkpoints': {
        const goesOn = answer > 0 && this.#trust.answer >= CONTINUES_MIN;
        return goesOn
          ? this.#shares(beforeAnswer, answer, total)
          : this.#shares(this.#checkpointBefore(held, beforeAnswer), 0, total);
      }
    }
  }

  #shares(beforeAnswer: number, answer: number, total: number): Found {
    const share = (beforeAnswer + answer * this.#trust.answer) / total;
    return { share: Math.min(1, share), shareBeforeAnswer: beforeAnswer / total, answerShare: answer / total };
  }

  #checkpointBefore(held: Held, weight: number): number {
    const step = Math.max(1, this.#facts.checkpointStep) / held.tokensPerWeight;
    const tail = CHECKPOINT_TAIL_TOKENS / held.tokensPerWeight;
    let last = Math.floor(weight / step) * step;
    for (const end of held.turnEnds) if (end - tail <= weight) last = Math.max(last, end - tail);
    return Math.max(0, last);
  }
}

/** As many as llama-server keeps checkpoints (`--ctx-checkpoints`). */
const TURN_ENDS_MAX = 32;
const NO_MATCH: Match = { held: undefined, beforeAnswer: 0, answer: 0 };
const NOTHING_FOUND: Found = { share: 0, shareBeforeAnswer: 0, answerShare: 0 };

const weightOf = (prefix: PrefixMarks): number => weightAt(prefix, prefix.hashes.length - 1);
const shareOf = ({ beforeAnswer, answer }: Match, total: number): number =>
  total <= 0 ? 0 : (beforeAnswer + answer) / total;
const keptOf = ({ held, beforeAnswer, answer }: Match): number =>
  held === undefined || held.weight <= 0 ? 0 : Math.min(1, (beforeAnswer + answer) / held.weight);

/** Last mark of the message whose first mark is `from`. */
function endOfMessage(prefix: PrefixMarks, from: number): number {
  const message = prefix.messages[from];
  let mark = from;
  while (mark + 1 < prefix.messages.length && prefix.messages[mark + 1] === message) mark += 1;
  return mark;
}
