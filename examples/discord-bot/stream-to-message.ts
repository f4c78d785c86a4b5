import { setTimeout as sleep } from 'node:timers/promises';
import { splitMessage } from './split-message.ts';

/** Where an answer is shown: a row of messages in one channel. */
export interface Screen {
  /** Adds a message. Rejects where that is not possible (any more). */
  send(text: string): Promise<void>;
  /** Replaces the text of the message sent as number `index`. */
  edit(index: number, text: string): Promise<void>;
}

/** Waits; rejects when the signal aborts. Tests bring their own. */
export type Sleep = (delayMs: number, signal: AbortSignal) => Promise<unknown>;

/** How an answer is shown. */
export type StreamOptions = {
  readonly screen: Screen;
  /** Called when the screen fails, so that the model does not go on for nobody. */
  readonly stop: () => void;
  /** What stands below the text, e.g. why it broke off; undefined = nothing. `failure` is undefined where there was none. */
  readonly note: (failure: unknown, text: string) => string | undefined;
  readonly sleep?: Sleep;
};

/** What became of an answer. `failure` is why it is not complete; `failedBy` says which side had it. */
export type Streamed =
  | { readonly kind: 'complete'; readonly text: string }
  | {
      readonly kind: 'failed';
      readonly text: string;
      readonly failedBy: 'model' | 'screen';
      readonly failure: unknown;
    };

/** Words collected before the first message, so that it is more than one syllable. */
const FIRST_AFTER_MS = 300;
/** Discord allows five edits in five seconds per channel. A little less leaves room for what others send there. */
const EDIT_EVERY_MS = 1100;

/**
 * Shows words as they come: a message soon after the first, then edits about once a second, further messages where one is
 * full, and a last edit with everything. An edit is only begun when the one before has been taken, so a Discord that is
 * slow or says "too many requests" makes edits rarer and never piles them up.
 */
export async function streamToMessage(words: AsyncIterable<string>, options: StreamOptions): Promise<Streamed> {
  const { screen, stop, note } = options;
  const shown: string[] = [];
  const ended = new AbortController();
  let text = '';
  let screenFailure: { readonly failure: unknown } | undefined;
  let wake: () => void = () => undefined;
  const firstWord = new Promise<void>((resolve) => {
    wake = resolve;
  });

  const show = async (whole: string) => {
    for (const [index, piece] of splitMessage(whole).entries()) {
      if (shown[index] === piece) continue;
      if (index < shown.length) await screen.edit(index, piece);
      else await screen.send(piece);
      shown[index] = piece;
    }
  };
  const editNowAndThen = async () => {
    const pause = options.sleep ?? ((delayMs, signal) => sleep(delayMs, undefined, { signal }));
    await firstWord;
    // The pause ends early when the answer does.
    const wait = (delayMs: number) => pause(delayMs, ended.signal).catch(() => undefined);
    await wait(FIRST_AFTER_MS);
    while (!ended.signal.aborted) {
      await show(text);
      await wait(EDIT_EVERY_MS);
    }
  };
  const editing = editNowAndThen().catch((failure: unknown) => {
    screenFailure = { failure };
    stop();
  });

  let modelFailure: { readonly failure: unknown } | undefined;
  try {
    for await (const word of words) {
      text += word;
      if (text.trim() !== '') wake();
    }
  } catch (failure) {
    modelFailure = { failure };
  }
  ended.abort();
  wake();
  await editing;
  if (screenFailure === undefined) {
    const last = note(modelFailure?.failure, text);
    await show(last === undefined ? text : joinNote(text, last)).catch((failure: unknown) => {
      screenFailure = { failure };
    });
  }
  if (screenFailure !== undefined) return { kind: 'failed', text, failedBy: 'screen', ...screenFailure };
  if (modelFailure !== undefined) return { kind: 'failed', text, failedBy: 'model', ...modelFailure };
  return { kind: 'complete', text };
}

// A code block that broke off would swallow the note.
function joinNote(text: string, note: string): string {
  const [closed = ''] = splitMessage(text, Number.MAX_SAFE_INTEGER);
  return closed === '' ? note : `${closed}\n\n${note}`;
}
