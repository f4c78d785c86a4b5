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
 * A marker is JSON syntax with unescaped quotes, so text of the answer can never look like one.
 */
export interface StreamTap {
  /** Bytes to pass on now; empty when all were held back. */
  push(bytes: Buffer): Buffer;
  /** What was held back, with `,"x_router":…` put into its last event; without `[DONE]` it is returned as it came. */
  finish(xRouter: string): Buffer;
  /** True once a content, reasoning or tool-call part has been seen. */
  readonly hasContent: boolean;
  /** True once the engine has said why it stopped: everything the client needs has been produced. */
  readonly isComplete: boolean;
  /** The engine's last words, from what is held back: timings and the finish reason. */
  end(): EngineEnd;
}

const FINISH = Buffer.from('"finish_reason":"');
const CONTENT_MARKERS = ['"content":"', '"reasoning_content":"', '"tool_calls":['].map((text) => Buffer.from(text));
const CARRY = Math.max(FINISH.length, ...CONTENT_MARKERS.map((marker) => marker.length)) - 1;
const DONE = Buffer.from('data: [DONE]');
const EVENT_END = Buffer.from('\n\n');
const CLOSING_BRACE = 0x7d;
const NOTHING = Buffer.alloc(0);

/** A tap for one stream. */
export function createStreamTap(): StreamTap {
  return new Tap();
}

class Tap implements StreamTap {
  hasContent = false;
  isComplete = false;
  #held: Buffer = NOTHING;
  /** End of the previous chunk, where a marker may have been cut in two; empty when it ended with an event. */
  #carry: Buffer = NOTHING;

  push(bytes: Buffer): Buffer {
    if (this.isComplete) return this.#hold(bytes);
    const seen = this.#carry.length === 0 ? bytes : Buffer.concat([this.#carry, bytes]);
    if (!this.hasContent) this.hasContent = CONTENT_MARKERS.some((marker) => seen.includes(marker));
    const at = seen.indexOf(FINISH);
    if (at === -1) {
      this.#carry = endsEvent(bytes) ? NOTHING : Buffer.from(seen.subarray(-CARRY));
      return bytes;
    }
    this.isComplete = true;
    // What was carried has already gone out; the rest is held from the marker on, or from this chunk's start.
    const start = Math.max(0, at - this.#carry.length);
    this.#carry = NOTHING;
    const passed = bytes.subarray(0, start);
    const released = this.#hold(bytes.subarray(start));
    return released.length === 0 ? passed : Buffer.concat([passed, released]);
  }

  finish(xRouter: string): Buffer {
    const held = this.#held;
    this.#held = NOTHING;
    const done = held.lastIndexOf(DONE);
    const brace = done === -1 ? -1 : held.lastIndexOf(CLOSING_BRACE, done);
    if (brace === -1) return held;
    return Buffer.concat([held.subarray(0, brace), Buffer.from(`,"x_router":${xRouter}`), held.subarray(brace)]);
  }

  end(): EngineEnd {
    return readEnd(this.#ended);
  }

  /** Text in which the engine's last words are looked for: timings may sit in the event before the usage event. */
  #ended = '';

  // Keeps the newest event only: with several choices, other choices' tokens still come after the first one's end.
  #hold(bytes: Buffer): Buffer {
    const held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#ended = (this.#ended + bytes.toString('latin1')).slice(-ENDED_MAX);
    const cut = startOfLastEvent(held);
    this.#held = held.subarray(cut);
    return held.subarray(0, cut);
  }
}

// A final event with timings and usage is under 1 KiB; a long one (logprobs of many tokens) ends with what we look for.
const ENDED_MAX = 16_384;

function endsEvent(bytes: Buffer): boolean {
  return bytes.length >= 2 && bytes[bytes.length - 1] === 0x0a && bytes[bytes.length - 2] === 0x0a;
}

// `[DONE]` belongs to the event before it, which is where x_router goes; an event still incomplete changes nothing yet.
function startOfLastEvent(held: Buffer): number {
  const end = held.lastIndexOf(EVENT_END);
  if (end <= 0) return 0;
  const start = startOfEvent(held, end);
  const isDone = held.subarray(start, start + DONE.length).equals(DONE);
  return isDone && start > 0 ? startOfEvent(held, start - EVENT_END.length) : start;
}

function startOfEvent(held: Buffer, end: number): number {
  const before = end < EVENT_END.length ? -1 : held.lastIndexOf(EVENT_END, end - EVENT_END.length);
  return before === -1 ? 0 : before + EVENT_END.length;
}
