import type { ExitExplanation } from '../../src/core/runtime.ts';

/** Lines that name the cause; llama-server prints consequences after it, so the first one counts. */
const CAUSES: readonly { readonly pattern: RegExp; readonly permanent: boolean }[] = [
  { pattern: /invalid argument|error while handling argument/i, permanent: true },
  {
    pattern:
      /unknown model architecture|invalid magic|gguf_init.*(fail|invalid)|wrong (number|type) of|missing tensor|not within the file bounds|corrupted or incomplete|failed to open GGUF|unsupported model/i,
    permanent: true,
  },
  { pattern: /(unable|failed) to allocate|out of memory|cannot allocate memory|bad_alloc/i, permanent: false },
  { pattern: /couldn't bind|failed to bind|address already in use/i, permanent: false },
  { pattern: /error loading model/i, permanent: true },
  // ggml_abort: file, line and the assertion that did not hold; a debugger's trace may follow.
  { pattern: /^\S+\.(?:c|cpp|h|hpp|cu|m):\d+: /, permanent: false },
];

/** What the last lines of a llama-server that ended while loading mean; undefined when none of them names a cause. */
export function explainExit(lastLines: readonly string[]): ExitExplanation | undefined {
  for (const { pattern, permanent } of CAUSES) {
    const line = lastLines.find((text) => !text.startsWith('sluice: ') && pattern.test(text));
    if (line !== undefined) return { reason: `llama-server says: ${withoutPrefix(line)}`, permanent };
  }
  return undefined;
}

/** `0.00.053.824 E gguf_init_from_reader: invalid magic` → `gguf_init_from_reader: invalid magic`. */
const withoutPrefix = (line: string): string => line.replace(/^[\d.]+ [A-Z] /, '').trim();
