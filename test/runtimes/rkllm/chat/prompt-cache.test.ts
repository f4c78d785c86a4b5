import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createPromptCacheIndex,
  type PromptCacheSubject,
  promptCacheKey,
} from '../../../../runtimes/rkllm/chat/prompt-cache.ts';

const SUBJECT: PromptCacheSubject = {
  model: 'm',
  template: 't',
  system: 's',
  tools: [{ a: 1 }],
  runtimeVersion: '1.2.3',
};

describe('promptCacheKey', () => {
  it('is the same for the same subject and safe as a file name', () => {
    expect(promptCacheKey(SUBJECT)).toBe(promptCacheKey({ ...SUBJECT }));
    expect(promptCacheKey(SUBJECT)).toMatch(/^[0-9a-f]{32}$/);
  });

  it('changes with every part', () => {
    const others: readonly Partial<PromptCacheSubject>[] = [
      { model: 'x' },
      { template: 'x' },
      { system: 'x' },
      { tools: [] },
      { lora: 'x' },
      { runtimeVersion: '1.3.0' },
    ];
    const keys = [SUBJECT, ...others.map((other) => ({ ...SUBJECT, ...other }))].map(promptCacheKey);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('keeps the parts apart', () => {
    expect(promptCacheKey({ ...SUBJECT, template: 'ab', system: 'c' })).not.toBe(
      promptCacheKey({ ...SUBJECT, template: 'a', system: 'bc' }),
    );
  });
});

describe('createPromptCacheIndex', () => {
  it('drops the longest unused first', () => {
    const index = createPromptCacheIndex(10);
    expect(index.saved({ key: 'a', bytes: 4, usedMs: 1 })).toEqual([]);
    expect(index.saved({ key: 'b', bytes: 4, usedMs: 2 })).toEqual([]);
    expect(index.lookup('a', 3)).toBe(true);
    expect(index.saved({ key: 'c', bytes: 4, usedMs: 4 })).toEqual(['b']);
    expect([index.lookup('b', 5), index.lookup('c', 6)]).toEqual([false, true]);
    expect(index.stats()).toEqual({
      entries: 2,
      bytes: 8,
      bytesMax: 10,
      hits: 2,
      misses: 1,
      hitRate: 2 / 3,
      evictions: 1,
    });
  });

  it('does not keep what is larger than the limit', () => {
    const index = createPromptCacheIndex(10);
    expect(index.saved({ key: 'a', bytes: 11, usedMs: 1 })).toEqual(['a']);
    expect(index.stats()).toMatchObject({ entries: 0, bytes: 0, hitRate: undefined });
  });

  it('starts with what the folder held, oldest use first', () => {
    const index = createPromptCacheIndex(10, [
      { key: 'new', bytes: 5, usedMs: 9 },
      { key: 'old', bytes: 5, usedMs: 1 },
    ]);
    expect(index.saved({ key: 'c', bytes: 5, usedMs: 10 })).toEqual(['old']);
  });

  it('forgets a file that is gone', () => {
    const index = createPromptCacheIndex(10, [{ key: 'a', bytes: 5, usedMs: 1 }]);
    index.forget('a');
    expect([index.lookup('a', 2), index.stats().bytes]).toEqual([false, 0]);
  });

  it('never holds more than the limit, and its sum is that of its entries', () => {
    const saves = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), bytes: fc.nat({ max: 12 }) }));
    fc.assert(
      fc.property(saves, (list) => {
        const index = createPromptCacheIndex(20);
        const kept = new Map<string, number>();
        list.forEach(({ key, bytes }, nowMs) => {
          kept.set(key, bytes);
          for (const gone of index.saved({ key, bytes, usedMs: nowMs })) kept.delete(gone);
          const sum = [...kept.values()].reduce((total, size) => total + size, 0);
          expect(index.stats()).toMatchObject({ entries: kept.size, bytes: sum });
          expect(sum).toBeLessThanOrEqual(20);
        });
      }),
    );
  });
});
