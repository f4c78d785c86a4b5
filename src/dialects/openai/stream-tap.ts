import { type EngineEnd, readEnd } from './engine-end.ts';

/**
 * Watches an engine's SSE stream beside the client's: what comes in goes out byte for byte, except that the last data
 * event before `data: [DONE]` gets one more field, `x_router`.
 *
 *   role chunk, token chunks …           passed on as they come, searched for two markers, never parsed
 *   first event with a finish_reason  ─┐
 *   usage event (when asked for)       ├ from here only the newest event is held back, to be completed at the end
 *   data: [DONE]                      ─┘
 *
 * Only whole events go out: when the engine dies in the middle of one, the client's parser sees no half of it before
 * our error event. A marker is JSON syntax with unescaped quotes, so text of the answer can never look like one.
 */
export interface StreamTap {
  /** Bytes to pass on now; empty when all were held back. */
  push(bytes: Buffer): Buffer;
  /**
   * What was held back, with `,"x_router":…` put into its last event; only for a stream that is complete. An engine
   * that died after its last word, before `[DONE]`, gets that added, because the client has lost nothing.
   */
  finish(xRouter: string): Buffer;
  /** True once a content, reasoning or tool-call part has been seen. */
  readonly hasContent: boolean;
  /** True once the engine has said why it stopped: everything the client needs has been produced. */
  readonly isComplete: boolean;
  /** The engine's last words, from what was held back: timings and the finish reason. */
  end(): EngineEnd;
}

const FINISH = Buffer.from('"finish_reason":"');
// `"text"` is how a completion of a raw prompt says it.
const CONTENT_MARKERS = ['"content":"', '"reasoning_content":"', '"tool_calls":[', '"text":"'].map((text) =>
  Buffer.from(text),
);
const DONE = Buffer.from('data: [DONE]');
const EVENT_END = Buffer.from('\n\n');
const NEWLINE = 0x0a;
const CLOSING_BRACE = 0x7d;
const NOTHING = Buffer.alloc(0);
// A final event with timings and usage is under 1 KiB; a long one (logprobs) ends with what we look for.
const ENDED_MAX = 16_384;

/** A tap for one stream. */
export function createStreamTap(): StreamTap {
  return new Tap();
}

class Tap implements StreamTap {
  hasContent = false;
  isComplete = false;
  /** Start of an event whose end has not come yet; nearly always empty, because engines write whole events. */
  #partial: Buffer = NOTHING;
  /** The newest whole event, once the end is near. */
  #held: Buffer = NOTHING;
  /** Text in which the engine's last words are looked for: timings may stand in the event before the usage event. */
  #ended = '';

  push(bytes: Buffer): Buffer {
    const events = this.#wholeEvents(bytes);
    if (this.isComplete) return this.#hold(events);
    if (!this.hasContent) this.hasContent = CONTENT_MARKERS.some((marker) => events.includes(marker));
    if (!events.includes(FINISH)) return events;
    this.isComplete = true;
    return this.#hold(events);
  }

  finish(xRouter: string): Buffer {
    const hasDone = this.#held.includes(DONE);
    const held = hasDone ? this.#held : Buffer.concat([this.#held, DONE, EVENT_END]);
    const brace = held.lastIndexOf(CLOSING_BRACE, held.lastIndexOf(DONE));
    if (brace === -1) return held;
    return Buffer.concat([held.subarray(0, brace), Buffer.from(`,"x_router":${xRouter}`), held.subarray(brace)]);
  }

  end(): EngineEnd {
    return readEnd(this.#ended);
  }

  #wholeEvents(bytes: Buffer): Buffer {
    const all = this.#partial.length === 0 ? bytes : Buffer.concat([this.#partial, bytes]);
    if (endsEvent(all)) {
      this.#partial = NOTHING;
      return all;
    }
    const end = all.lastIndexOf(EVENT_END);
    const cut = end === -1 ? 0 : end + EVENT_END.length;
    this.#partial = all.subarray(cut);
    return all.subarray(0, cut);
  }

  // Keeps the newest event only: with several choices, other choices' tokens still come after the first one's end.
  #hold(events: Buffer): Buffer {
    const held = this.#held.length === 0 ? events : Buffer.concat([this.#held, events]);
    this.#ended = (this.#ended + events.toString('latin1')).slice(-ENDED_MAX);
    const cut = startOfLastEvent(held);
    this.#held = held.subarray(cut);
    return held.subarray(0, cut);
  }
}

function endsEvent(bytes: Buffer): boolean {
  return bytes.length >= 2 && bytes[bytes.length - 1] === NEWLINE && bytes[bytes.length - 2] === NEWLINE;
}

// `[DONE]` belongs to the event before it, which is where x_router goes.
function startOfLastEvent(held: Buffer): number {
  const end = held.length - EVENT_END.length;
  if (end <= 0) return 0;
  const start = startOfEvent(held, end);
  const isDone = held.subarray(start, start + DONE.length).equals(DONE);
  return isDone && start > 0 ? startOfEvent(held, start - EVENT_END.length) : start;
}

function startOfEvent(held: Buffer, end: number): number {
  const before = end < EVENT_END.length ? -1 : held.lastIndexOf(EVENT_END, end - EVENT_END.length);
  return before === -1 ? 0 : before + EVENT_END.length;
}
