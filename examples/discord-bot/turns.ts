/** An answer under way or waiting for its turn, as whoever cancels it sees it. */
export type Turn = {
  readonly abort: AbortController;
  /** Ids of the question and of everything posted for it: deleting any of them cancels. */
  readonly messages: Set<string>;
};

/** Why a turn was cancelled: its question or a message of its answer was deleted. */
export const DELETED = Symbol('deleted');

/** The answers of all channels: one at a time in each, because an answer belongs into the next question's memory. */
export interface Turns {
  /**
   * Runs `work` when the channel's earlier turns have ended; false where too many wait already. `work` must not reject. A
   * turn that is cancelled while it waits is not run.
   */
  enter(channel: string, turn: Turn, work: () => Promise<void>): boolean;
  /** Cancels the turn that a message belongs to, if there is one. */
  cancel(message: string): void;
  /** Cancels all, with a reason that is shown; resolves when they have ended. */
  cancelAll(reason: string): Promise<void>;
}

/** Starts with no turns; `waitingMax` bounds those that wait in one channel. */
export function createTurns(waitingMax: number): Turns {
  type Queue = { last: Promise<void>; length: number };
  const queues = new Map<string, Queue>();
  const turns = new Set<Turn>();
  return {
    enter: (channel, turn, work) => {
      const queue = queues.get(channel) ?? { last: Promise.resolve(), length: 0 };
      if (queue.length > waitingMax) return false;
      queues.set(channel, queue);
      turns.add(turn);
      queue.length += 1;
      queue.last = queue.last.then(async () => {
        if (!turn.abort.signal.aborted) await work();
        turns.delete(turn);
        queue.length -= 1;
        if (queue.length === 0) queues.delete(channel);
      });
      return true;
    },
    cancel: (message) => {
      for (const { abort, messages } of turns) if (messages.has(message)) abort.abort(DELETED);
    },
    cancelAll: async (reason) => {
      for (const { abort } of turns) abort.abort(reason);
      await Promise.all([...queues.values()].map(({ last }) => last));
    },
  };
}
