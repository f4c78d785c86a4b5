import { createHash } from 'node:crypto';

/** What a saved prompt prefix depends on: a change in any of them makes another one. */
export type PromptCacheSubject = {
  /** The model's file with size and time of change, or its hash. */
  readonly model: string;
  /** Source of the chat template. */
  readonly template: string;
  readonly system: string;
  readonly tools: readonly unknown[];
  readonly lora?: string;
  /** Version of the library that wrote it. */
  readonly runtimeVersion: string;
};

/** Name of the cache of this subject, 32 hex digits: safe as a file name. */
export function promptCacheKey(subject: PromptCacheSubject): string {
  const { model, template, system, tools, lora, runtimeVersion } = subject;
  // A JSON array keeps the parts apart: "a" + "bc" must not equal "ab" + "c".
  const text = JSON.stringify([model, template, system, tools, lora ?? null, runtimeVersion]);
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** One saved prefix. */
export type PromptCacheEntry = { readonly key: string; readonly bytes: number; readonly usedMs: number };

/** How well the cache does. */
export type PromptCacheStats = {
  readonly entries: number;
  readonly bytes: number;
  readonly bytesMax: number;
  readonly hits: number;
  readonly misses: number;
  /** hits / lookups; undefined before the first lookup. */
  readonly hitRate: number | undefined;
  readonly evictions: number;
};

/** Index of the prompt caches on disk; the files themselves are the caller's. */
export interface PromptCacheIndex {
  /** Whether this prefix is saved; counts a hit or a miss. */
  lookup(key: string, nowMs: number): boolean;
  /**
   * Notes a prefix that was saved and returns the keys whose files must be deleted to stay below the limit, longest
   * unused first. A prefix larger than the limit is itself among them.
   */
  saved(entry: PromptCacheEntry): readonly string[];
  /** Forgets a prefix whose file turned out to be missing or unreadable. */
  forget(key: string): void;
  stats(): PromptCacheStats;
}

/**
 * An index of at most `bytesMax` bytes on disk, the longest unused going first. `found` is what a folder held at the
 * start; what is too much of it is named by the first `saved`.
 */
export function createPromptCacheIndex(bytesMax: number, found: Iterable<PromptCacheEntry> = []): PromptCacheIndex {
  // A Map keeps its order: first is the longest unused.
  const entries = new Map([...found].toSorted((a, b) => a.usedMs - b.usedMs).map((entry) => [entry.key, entry]));
  let bytes = [...entries.values()].reduce((sum, entry) => sum + entry.bytes, 0);
  const counts = { hits: 0, misses: 0, evictions: 0 };
  const forget = (key: string): void => {
    bytes -= entries.get(key)?.bytes ?? 0;
    entries.delete(key);
  };
  const put = (entry: PromptCacheEntry): void => {
    forget(entry.key);
    entries.set(entry.key, entry);
    bytes += entry.bytes;
  };
  return {
    lookup: (key, nowMs) => {
      const entry = entries.get(key);
      counts[entry === undefined ? 'misses' : 'hits'] += 1;
      if (entry !== undefined) put({ ...entry, usedMs: nowMs });
      return entry !== undefined;
    },
    saved: (entry) => {
      put(entry);
      const evicted: string[] = [];
      for (const key of entries.keys()) {
        if (bytes <= bytesMax) break;
        evicted.push(key);
        forget(key);
      }
      counts.evictions += evicted.length;
      return evicted;
    },
    forget,
    stats: () => {
      const lookups = counts.hits + counts.misses;
      const hitRate = lookups === 0 ? undefined : counts.hits / lookups;
      return { entries: entries.size, bytes, bytesMax, ...counts, hitRate };
    },
  };
}
