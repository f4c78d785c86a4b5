import type { Clock } from '../../src/core/clock.ts';
import { createStreamEncoder, encodeReply, type ReplyEnd } from './chat/openai-encode.ts';
import type { Delta } from './chat/parse-output.ts';
import type { ReplyForm } from './protocol.ts';

/** Writes one reply in the worker, as the client is to have it. */
export interface ReplyWriter {
  add(deltas: readonly Delta[]): void;
  /** Everything that is left, and the end. */
  end(end: ReplyEnd): void;
}

/** A run that gives nothing out, because a call or a stop string may be coming, still shows that it lives. */
const ALIVE_MS = 1_000;
/**
 * Tokens closer together than this share a piece. Waking the gateway after a pause costs it 60 to 200 µs, nearly all of
 * it Node's way out of the kernel with cold caches, and far more than a token itself. A fiftieth of a second is nothing
 * one sees, and just below the pace of the fastest model published for an NPU (MiniCPM4 0.5B on RK3588, a token in
 * 22 ms): a token that comes alone goes out at once.
 */
const TOGETHER_MS = 20;
/** Where that gathers so many tokens, nobody reads as fast as they come: the next piece may take twice as long. */
const MANY_TOKENS = 8;

/**
 * A stream goes out as it comes: at once where nothing went out just now, else together with what comes in the next few
 * milliseconds. A whole reply goes out at its end; until then empty texts say that the run lives.
 */
export function createReplyWriter(form: ReplyForm, write: (text: string) => void, clock: Clock): ReplyWriter {
  const encoder = createStreamEncoder(form, { includeUsage: form.includeUsage });
  /** Of a reply that is not a stream. */
  const whole: Delta[] = [];
  let waiting = '';
  let hasBegun = false;
  let hasEnded = false;
  let isScheduled = false;
  /** Tokens since the last piece. */
  let gathered = 0;
  let togetherMs = TOGETHER_MS;
  let sentMs = clock.monotonicMs();
  const begin = () => {
    const start = hasBegun ? '' : encoder.start();
    hasBegun = true;
    return start;
  };
  const flush = () => {
    isScheduled = false;
    togetherMs = gathered < MANY_TOKENS ? TOGETHER_MS : 2 * TOGETHER_MS;
    gathered = 0;
    const isQuiet = waiting === '' && clock.monotonicMs() - sentMs < ALIVE_MS;
    if (isQuiet || hasEnded) return;
    sentMs = clock.monotonicMs();
    write(waiting);
    waiting = '';
  };
  return {
    add: (deltas) => {
      if (!form.stream) whole.push(...deltas);
      else if (deltas.length > 0) waiting += begin() + encoder.deltas(deltas);
      gathered += 1;
      if (isScheduled) return;
      isScheduled = true;
      const leftMs = sentMs + togetherMs - clock.monotonicMs();
      if (leftMs > 0) clock.after(leftMs, flush);
      else setImmediate(flush);
    },
    end: (end) => {
      hasEnded = true;
      write(form.stream ? waiting + begin() + encoder.end(end) : encodeReply(form, whole, end));
    },
  };
}
