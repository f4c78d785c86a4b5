import type { LogFact } from './files/parse-log.ts';
import type { FinishedMessage } from './protocol.ts';

/** What a worker tells of itself, in the words of the library's log. */
export type WorkerDetails = Readonly<Record<string, unknown>>;

/** What a line of the log adds: versions, chip, and what the file really holds. */
export function detailsOfLine(fact: LogFact): WorkerDetails {
  switch (fact.kind) {
    case 'runtime':
      return { runtime: fact.runtimeVersion, driver: fact.driverVersion, platform: fact.platform };
    case 'model':
      return {
        toolkit: fact.toolkitVersion ?? null,
        max_context_limit: fact.contextMax,
        npu_core_num: fact.npuCores,
        target_platform: fact.platform,
        dtype: fact.dtype ?? null,
      };
    case 'cpus':
      return { enabled_cpus: fact.cpus };
    case 'loading':
    case 'problem':
      return {};
  }
}

/** How the prompt cache does; nothing where there is none. `hit_rate` is null before the first lookup. */
export function detailsOfCache(cache: FinishedMessage['promptCache']): WorkerDetails {
  if (cache === undefined) return {};
  const { hits, misses, bytes } = cache;
  const lookups = hits + misses;
  return { prompt_cache: { hits, misses, hit_rate: lookups === 0 ? null : hits / lookups, bytes } };
}
