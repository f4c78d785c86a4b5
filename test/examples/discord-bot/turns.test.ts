import { describe, expect, it } from 'vitest';
import { createTurns, DELETED, type Turn } from '../../../examples/discord-bot/turns.ts';

const turn = (...messages: string[]): Turn => ({ abort: new AbortController(), messages: new Set(messages) });

/** Work that ends when the test says so. */
function work(began: string[], name: string) {
  let end: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    end = resolve;
  });
  return {
    run: async () => {
      began.push(name);
      await done;
    },
    end: () => end(),
  };
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('createTurns', () => {
  it('runs one turn at a time in a channel, and channels beside each other', async () => {
    const turns = createTurns(5);
    const began: string[] = [];
    const [first, second, other] = ['first', 'second', 'other'].map((name) => work(began, name));
    turns.enter('a', turn('1'), first!.run);
    turns.enter('a', turn('2'), second!.run);
    turns.enter('b', turn('3'), other!.run);
    await settle();
    expect(began).toEqual(['first', 'other']);
    first!.end();
    await settle();
    expect(began).toEqual(['first', 'other', 'second']);
  });

  it('refuses more than may wait in a channel', async () => {
    const turns = createTurns(1);
    const held = work([], 'held');
    expect(turns.enter('a', turn('1'), held.run)).toBe(true);
    expect(turns.enter('a', turn('2'), held.run)).toBe(true);
    expect(turns.enter('a', turn('3'), held.run)).toBe(false);
    expect(turns.enter('b', turn('4'), held.run)).toBe(true);
    held.end();
    await settle();
    expect(turns.enter('a', turn('5'), held.run)).toBe(true);
  });

  it('cancels the turn a message belongs to, also before it runs', async () => {
    const turns = createTurns(5);
    const began: string[] = [];
    const first = work(began, 'first');
    const [running, waiting] = [turn('question', 'reply'), turn('later')];
    turns.enter('a', running, first.run);
    turns.enter('a', waiting, async () => void began.push('later'));
    turns.cancel('later');
    turns.cancel('nobody knows');
    await settle();
    expect(running.abort.signal.aborted).toBe(false);
    turns.cancel('reply');
    expect(running.abort.signal.reason).toBe(DELETED);
    first.end();
    await settle();
    expect(began).toEqual(['first']);
  });

  it('cancels all and waits for their end', async () => {
    const turns = createTurns(5);
    const held = work([], 'held');
    const running = turn('1');
    turns.enter('a', running, held.run);
    await settle();
    let ended = false;
    const all = turns.cancelAll('restart').then(() => {
      ended = true;
    });
    await settle();
    expect([running.abort.signal.reason, ended]).toEqual(['restart', false]);
    held.end();
    await all;
  });
});
