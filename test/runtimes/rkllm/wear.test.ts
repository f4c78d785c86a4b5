import { describe, expect, it } from 'vitest';
import { createWear, GROWTH_BYTES_MAX } from '../../../runtimes/rkllm/wear.ts';

const BASE = 1_000_000_000;
const GROWN = BASE + GROWTH_BYTES_MAX + 1;

describe('createWear', () => {
  it('wants a 1.2 worker replaced that has grown beyond the bound by embeddings', () => {
    const wear = createWear('1.2');
    // What the load and the buffers of the first run take is no leak.
    expect(wear.judge(GROWN)).toBeUndefined();
    wear.countRows(BASE);
    wear.countRows(GROWN);
    expect(wear.judge(BASE)).toBeUndefined();
    expect(wear.judge(GROWN - 1)).toBeUndefined();
    expect(wear.judge(GROWN)).toContain('grown by 512 MiB');
  });

  it('takes the growth of a chat model for its own affair', () => {
    const wear = createWear('1.2');
    expect([wear.judge(BASE), wear.judge(GROWN)]).toEqual([undefined, undefined]);
  });

  it('has no bound from 1.3 on, where the rows are freed', () => {
    const wear = createWear('1.3');
    wear.countRows(BASE);
    expect([wear.judge(BASE), wear.judge(GROWN)]).toEqual([undefined, undefined]);
  });
});
