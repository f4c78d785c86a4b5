import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../src/core/clock.ts';
import { createPromptCacheIndex, promptCacheKey } from './chat/prompt-cache.ts';
import { renderPrefix } from './chat/render.ts';
import type { Engine } from './engine.ts';
import type { FinishedMessage, GenerateMessage } from './protocol.ts';

/** Saved prompt prefixes of one model on disk. */
export interface PromptCacheFiles {
  /**
   * Gets the prefix of this conversation (system text and tools) into the library: from disk, or by reading it once
   * and saving it, which costs what the run would have paid for it anyway. Call on a cleared KV cache.
   */
  prepare(request: GenerateMessage): Promise<void>;
  stats(): NonNullable<FinishedMessage['promptCache']>;
}

const EXTENSION = '.rkllm-cache';

/** Opens the folder, counting what is there already; undefined where the policy allows no prompt cache. */
export function openPromptCache(engine: Engine, clock: Clock): PromptCacheFiles | undefined {
  const { template, load } = engine;
  if (load.promptCache === undefined || template === undefined) return undefined;
  const { folder, bytesMax } = load.promptCache;
  mkdirSync(folder, { recursive: true });
  const index = createPromptCacheIndex(bytesMax, foundIn(folder));
  const pathOf = (key: string): string => join(folder, `${key}${EXTENSION}`);
  const model = statSync(load.modelFile);
  /** The library keeps a loaded prefix until it is told to let go. */
  let loaded: string | undefined;

  const prefixOf = (request: GenerateMessage): string | undefined => {
    const { messages, tools, thinking } = request;
    return renderPrefix(template, { messages, tools, thinking });
  };
  const keyOf = (prefix: string, lora: string | undefined): string =>
    promptCacheKey({
      model: `${load.modelFile} ${model.size} ${model.mtimeMs}`,
      template: template.source,
      // The rendered prefix holds system text and tools, in the form that the cache really depends on.
      system: prefix,
      tools: [],
      runtimeVersion: load.runtimeVersion,
      ...(lora === undefined ? {} : { lora }),
    });
  const save = async (prefix: string, key: string, lora: string | undefined): Promise<void> => {
    const call = {
      mode: 'generate',
      prompt: prefix,
      role: 'user',
      enableThinking: false,
      keepHistory: false,
      lora,
      savePromptCache: pathOf(key),
      sampling: undefined,
      maxNewTokens: 1,
    } as const;
    // Below 1.3 the run would go on to the end of an answer nobody wants.
    await engine.run(call, { onText: () => engine.abort(), onToken: () => engine.abort() });
    await engine.handle.clearKvCache();
    if (!existsSync(pathOf(key))) return;
    const entry = { key, bytes: statSync(pathOf(key)).size, usedMs: clock.nowMs() };
    for (const evicted of index.saved(entry)) rmSync(pathOf(evicted), { force: true });
  };
  return {
    prepare: async (request) => {
      const prefix = prefixOf(request);
      if (prefix === undefined) return;
      const key = keyOf(prefix, request.lora);
      if (!index.lookup(key, clock.nowMs())) await save(prefix, key, request.lora);
      if (loaded === key || !existsSync(pathOf(key))) return;
      if (loaded !== undefined) await engine.handle.releasePromptCache();
      loaded = undefined;
      if ((await engine.handle.loadPromptCache(pathOf(key))) === 0) loaded = key;
      // Damaged or of another version: the run works without it.
      else index.forget(key);
    },
    stats: () => {
      const { hits, misses, bytes } = index.stats();
      return { hits, misses, bytes };
    },
  };
}

function foundIn(folder: string) {
  return readdirSync(folder)
    .filter((name) => name.endsWith(EXTENSION))
    .map((name) => {
      const { size, mtimeMs } = statSync(join(folder, name));
      return { key: name.slice(0, -EXTENSION.length), bytes: size, usedMs: mtimeMs };
    });
}
