import { commonTokens } from './prompt.ts';

/** Something that generates, with the last prompt and answer it holds. */
export type Slot = { readonly id: number; busy: boolean; held: readonly string[] };

/** A slot taken for a prompt. */
export type TakenSlot = {
  readonly slot: Slot;
  /** Tokens of the prompt that the slot still held. */
  readonly cachedTokens: number;
};

/** The slots of one engine. */
export interface Slots {
  readonly all: readonly Slot[];
  /** Takes the free slot that holds most of the prompt's beginning; waits, first come first served, where none is. */
  take(prompt: readonly string[], taken: (slot: TakenSlot) => void): CancelWait;
  /** Gives a slot back, which holds these tokens now. */
  give(slot: Slot, held: readonly string[]): void;
  /** Requests that wait. */
  waiting(): number;
}

/** Takes back a request that still waits. */
export type CancelWait = () => void;

/** `count` empty slots. */
export function createSlots(count: number): Slots {
  const all: readonly Slot[] = Array.from({ length: count }, (_, id) => ({ id, busy: false, held: [] }));
  const queue: { readonly prompt: readonly string[]; readonly taken: (slot: TakenSlot) => void }[] = [];

  const serve = () => {
    for (;;) {
      const [next] = queue;
      const slot = next === undefined ? undefined : bestFree(all, next.prompt);
      if (next === undefined || slot === undefined) return;
      queue.shift();
      slot.busy = true;
      // The last token is always read again: the first one of the answer is drawn from what it gives.
      next.taken({ slot, cachedTokens: Math.min(commonTokens(slot.held, next.prompt), next.prompt.length - 1) });
    }
  };
  return {
    all,
    take: (prompt, taken) => {
      const entry = { prompt, taken };
      queue.push(entry);
      serve();
      return () => {
        const index = queue.indexOf(entry);
        if (index !== -1) queue.splice(index, 1);
      };
    },
    give: (slot, held) => {
      slot.busy = false;
      slot.held = held;
      serve();
    },
    waiting: () => queue.length,
  };
}

function bestFree(slots: readonly Slot[], prompt: readonly string[]): Slot | undefined {
  let best: Slot | undefined;
  let bestCommon = -1;
  for (const slot of slots) {
    const common = slot.busy ? -1 : commonTokens(slot.held, prompt);
    if (common > bestCommon) [best, bestCommon] = [slot, common];
  }
  return best;
}
