import { systemClock } from '../../src/core/clock.ts';

/**
 * Asks again and again until the answer is something else than undefined or false. The one place of the tests that
 * polls: for what sends no event, such as the kernel's end of a process. Throws after `limitMs`.
 */
export async function until<Value>(
  what: string,
  ask: () => Promise<Value | undefined | false> | Value | undefined | false,
  limitMs = 30_000,
): Promise<Value> {
  const endMs = systemClock.monotonicMs() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (systemClock.monotonicMs() > endMs) throw new Error(`${what}: did not come about within ${limitMs} ms`);
    await systemClock.sleep(10);
  }
}
