import { crc32 } from 'node:zlib';

/**
 * Fingerprints of a prompt's beginnings. An engine that still holds the keys and values of an earlier prompt reads only
 * what comes after the part both share, so whoever predicts must know how far two prompts agree, without keeping the
 * text of either:
 *
 *   tools ┤ system ┤ user ............┤............┤ assistant ┤ user ┤
 *         mark     mark               mark         mark        mark   mark       each mark = hash of all before it
 *
 * There is a mark after every message and, inside long text, at fixed distances. Each hash goes on from the one before,
 * so two prompts whose n-th marks are equal are the same up to there, and one whose n-th marks differ cannot agree
 * again. All arrays have one entry per mark.
 */
export type PrefixMarks = {
  /** 32-bit chained hash of everything up to the mark. */
  readonly hashes: readonly number[];
  /** UTF-16 units of text up to the mark. */
  readonly chars: readonly number[];
  /** Messages begun up to the mark; the tools count as one. */
  readonly messages: readonly number[];
  /** True where the message of an assistant begins right after the mark. */
  readonly beforeAnswer: readonly boolean[];
};

/** What the chat template adds to a message, in characters: five tokens of 3.6 (ChatML's marks, role and line feeds). */
const MESSAGE_CHARS = 18;

/** Length of the prompt up to a mark, in characters, the template's share for each message included. */
export function weightAt(marks: PrefixMarks, mark: number): number {
  return (marks.chars[mark] ?? 0) + MESSAGE_CHARS * (marks.messages[mark] ?? 0);
}

/** Number of leading marks two prompts have in common; 0 where they differ from the start. */
export function commonMarks(one: PrefixMarks, other: PrefixMarks): number {
  // Chained hashes are equal up to one point and differ from there on: halving finds it.
  let low = 0;
  let high = Math.min(one.hashes.length, other.hashes.length);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (one.hashes[middle] === other.hashes[middle]) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Takes a prompt's text in order and makes its marks. */
export interface PrefixMarker {
  /** A message begins; `role` as the dialect writes it. */
  begin(role: string): void;
  text(text: string): void;
  /** Something that is no text, such as an image, by a word that tells it from others. */
  media(identity: string): void;
  /** The message is over. */
  end(): void;
  marks(): PrefixMarks;
}

/** First distance between two marks inside text, characters. Some 280 tokens; each costs a call into native code. */
const BLOCK_CHARS = 1024;
/** Distances grow to a 64th of what has been read, so that the longest prompt has a few hundred marks. */
const BLOCK_GROWTH = 64;
/** Beyond so many marks a message's end gets one only at the distance that text would get one. */
const MESSAGE_MARKS_MAX = 512;
/** A long word is told from others by both its ends and its length. */
const IDENTITY_CHARS = 256;
const SEED = 0x2545f491;
const ASSISTANT = 'assistant';

/** A marker at the beginning of a prompt. Costs about half a nanosecond per character, twice that beyond Latin-1. */
export function createPrefixMarker(): PrefixMarker {
  return new Marker();
}

class Marker implements PrefixMarker {
  readonly #hashes: number[] = [];
  readonly #chars: number[] = [];
  readonly #messages: number[] = [];
  readonly #beforeAnswer: boolean[] = [];
  #hash = SEED;
  #read = 0;
  #begun = 0;
  #nextBlockAt = BLOCK_CHARS;

  begin(role: string): void {
    const last = this.#beforeAnswer.length - 1;
    if (role === ASSISTANT && last >= 0 && this.#chars[last] === this.#read) this.#beforeAnswer[last] = true;
    this.#begun += 1;
    // The first letter tells the roles apart; the bit keeps it from being text.
    this.#hash = mix(this.#hash, role.charCodeAt(0) | 0x8000_0000);
  }

  text(text: string): void {
    let from = 0;
    while (this.#read + text.length - from >= this.#nextBlockAt) {
      const to = from + this.#nextBlockAt - this.#read;
      this.#hash = hashText(this.#hash, text, from, to);
      this.#read = this.#nextBlockAt;
      this.#mark();
      this.#nextBlockAt += Math.max(BLOCK_CHARS, Math.floor(this.#read / BLOCK_GROWTH));
      from = to;
    }
    this.#hash = hashText(this.#hash, text, from, text.length);
    this.#read += text.length - from;
  }

  media(identity: string): void {
    const ends = identity.length <= 2 * IDENTITY_CHARS ? identity : endsOf(identity);
    this.#hash = mix(hashText(this.#hash, ends, 0, ends.length), identity.length);
  }

  end(): void {
    this.#hash = mix(this.#hash, 0x4000_0000);
    const sinceLast = this.#read - (this.#chars.at(-1) ?? 0);
    const enough = this.#hashes.length < MESSAGE_MARKS_MAX || sinceLast >= Math.floor(this.#read / BLOCK_GROWTH);
    if (enough) this.#mark();
  }

  marks(): PrefixMarks {
    return {
      hashes: this.#hashes,
      chars: this.#chars,
      messages: this.#messages,
      beforeAnswer: this.#beforeAnswer,
    };
  }

  #mark(): void {
    this.#hashes.push(this.#hash);
    this.#chars.push(this.#read);
    this.#messages.push(this.#begun);
    this.#beforeAnswer.push(false);
  }
}

const endsOf = (text: string): string => text.slice(0, IDENTITY_CHARS) + text.slice(-IDENTITY_CHARS);

const PRIME = 0x9e3779b1;

function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, PRIME);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

// zlib's CRC is native code that uses the processor's own instructions: five times as fast as a loop over characters.
function hashText(seed: number, text: string, from: number, to: number): number {
  if (from === to) return seed;
  return crc32(from === 0 && to === text.length ? text : text.slice(from, to), seed);
}
