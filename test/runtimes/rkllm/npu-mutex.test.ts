import { describe, expect, it } from 'vitest';
import { createNpuMutex } from '../../../runtimes/rkllm/npu-mutex.ts';

const tick = () => new Promise((resolve) => setImmediate(resolve));

describe('createNpuMutex', () => {
  it('lets one at a time pass, in the order they came', async () => {
    const mutex = createNpuMutex();
    const order: number[] = [];
    let inside = 0;
    await Promise.all(
      [1, 2, 3].map(async (number) => {
        const release = await mutex.acquire();
        inside += 1;
        expect(inside).toBe(1);
        order.push(number);
        await tick();
        inside -= 1;
        release();
      }),
    );
    expect(order).toEqual([1, 2, 3]);
  });

  it("does not let a second release free somebody else's turn", async () => {
    const mutex = createNpuMutex();
    const first = await mutex.acquire();
    const second = mutex.acquire();
    first();
    first();
    await second;
    let third = false;
    const last = mutex.acquire().then(() => {
      third = true;
    });
    await tick();
    expect(third).toBe(false);
    (await second)();
    await last;
  });

  it('passes over one that gave up waiting, without letting the next in early', async () => {
    const mutex = createNpuMutex();
    const release = await mutex.acquire();
    const abort = new AbortController();
    const impatient = mutex.acquire(abort.signal);
    let entered = false;
    const patient = mutex.acquire().then((give) => {
      entered = true;
      return give;
    });
    abort.abort(new Error('too late'));
    await expect(impatient).rejects.toThrow('too late');
    await tick();
    expect(entered).toBe(false);
    release();
    await patient;
    expect(entered).toBe(true);
  });
});
