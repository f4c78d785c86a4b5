import koffi from 'koffi';
import type { RkllmStructs } from './structs.ts';

/** The library's figures of a finished run. */
export type RkllmPerf = {
  readonly prefillMs: number;
  readonly prefillTokens: number;
  readonly generateMs: number;
  readonly generateTokens: number;
  /** Peak resident memory of the process, MB. */
  readonly memoryMb: number;
};

/** One callback of the library, copied: its memory is gone when the callback returns. */
export type RkllmEvent =
  /** A token's bytes; may end in the middle of a character. */
  | { readonly kind: 'text'; readonly bytes: Buffer }
  /** A token whose bytes do not make a whole character yet. */
  | { readonly kind: 'waiting' }
  /** The last of `count` rows, one per prompt token, of hidden states or logits. */
  | { readonly kind: 'row'; readonly values: Float32Array; readonly count: number }
  | { readonly kind: 'finish'; readonly perf: RkllmPerf }
  | { readonly kind: 'error' }
  /** Our own fault while reading. */
  | { readonly kind: 'bug'; readonly message: string };

/** What the callback was given, and what the run is for. */
export type RawResult = {
  readonly result: bigint | null;
  readonly state: number;
  readonly mode: 'generate' | 'hidden' | 'logits';
};

const NORMAL = 0;
const WAITING = 1;
const FINISH = 2;
const NOTHING = Buffer.alloc(0);
const NO_PERF: RkllmPerf = { prefillMs: 0, prefillTokens: 0, generateMs: 0, generateTokens: 0, memoryMb: 0 };

/** Reads a callback's arguments. Text comes as bytes, because a piece may be cut inside a character. */
export function readResult(structs: RkllmStructs, { result, state, mode }: RawResult): RkllmEvent {
  switch (state) {
    case NORMAL:
      if (result === null) return { kind: 'text', bytes: NOTHING };
      // `text` is the first field: read alone, a token costs a microsecond, the whole struct ten times that.
      return mode === 'generate' ? { kind: 'text', bytes: textAt(result) } : readLastRow(structs, result, mode);
    case WAITING:
      return { kind: 'waiting' };
    case FINISH:
      return { kind: 'finish', perf: result === null ? NO_PERF : readPerf(structs, result) };
    default:
      return { kind: 'error' };
  }
}

let lengthOf: ((pointer: bigint) => number | bigint) | undefined;

/** A copy of the bytes up to the NUL. The length is asked of libc: looking ahead could touch memory that is not there. */
function textAt(result: bigint): Buffer {
  const text: bigint | null = koffi.decode(result, 'void *');
  if (text === null) return NOTHING;
  lengthOf ??= koffi.load('libc.so.6').func('size_t strlen(void *text)');
  return Buffer.from(Buffer.from(koffi.view(text, Number(lengthOf(text)))));
}

function readLastRow(structs: RkllmStructs, result: bigint, mode: 'hidden' | 'logits'): RkllmEvent {
  const { last_hidden_layer: hidden, logits } = koffi.decode(result, structs.RKLLMResult);
  const [pointer, width, count] =
    mode === 'hidden'
      ? [hidden.hidden_states, hidden.embd_size, hidden.num_tokens]
      : [logits.logits, logits.vocab_size, logits.num_tokens];
  // Some releases also report the run's progress as a normal state without rows.
  if (pointer === null || width * count <= 0) return { kind: 'text', bytes: NOTHING };
  // Only the last token's row has seen the whole prompt; all rows of a large vocabulary would be hundreds of megabytes.
  const values = koffi.decode(pointer, (count - 1) * width * Float32Array.BYTES_PER_ELEMENT, 'float', width);
  return { kind: 'row', values: Float32Array.from(values), count };
}

function readPerf(structs: RkllmStructs, result: bigint): RkllmPerf {
  const { perf } = koffi.decode(result, structs.RKLLMResult);
  return {
    prefillMs: perf.prefill_time_ms,
    prefillTokens: perf.prefill_tokens,
    generateMs: perf.generate_time_ms,
    generateTokens: perf.generate_tokens,
    memoryMb: perf.memory_usage_mb,
  };
}
