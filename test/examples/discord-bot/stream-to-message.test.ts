import { describe, expect, it } from 'vitest';
import { type Screen, streamToMessage } from '../../../examples/discord-bot/stream-to-message.ts';
import { fakeClock } from '../../helpers/fake-clock.ts';

/** Lets every promise that can go on do so. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A channel that remembers what was done to it, and when. */
function fakeScreen(clock = fakeClock()) {
  const calls: string[] = [];
  const messages: string[] = [];
  let block: Promise<void> | undefined;
  let failure: Error | undefined;
  const act = async (call: string) => {
    calls.push(`${clock.monotonicMs()} ${call}`);
    await block;
    if (failure !== undefined) throw failure;
  };
  const screen: Screen = {
    send: async (text) => {
      await act('send');
      messages.push(text);
    },
    edit: async (index, text) => {
      await act(`edit ${index}`);
      messages[index] = text;
    },
  };
  return {
    clock,
    screen,
    calls,
    messages,
    blockOn: (promise: Promise<void> | undefined) => {
      block = promise;
    },
    failWith: (error: Error) => {
      failure = error;
    },
  };
}

/** Words that come when the test says so. */
function wordSource() {
  const waiting: (string | Error | undefined)[] = [];
  let wake: () => void = () => undefined;
  const push = async (word: string | Error | undefined) => {
    waiting.push(word);
    wake();
    await settle();
  };
  async function* words(): AsyncGenerator<string> {
    for (;;) {
      while (waiting.length > 0) {
        const word = waiting.shift();
        if (word === undefined) return;
        if (word instanceof Error) throw word;
        yield word;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  return { words: words(), say: push, end: () => push(undefined), fail: (error: Error) => push(error) };
}

function start(fake = fakeScreen(), note: (failure: unknown) => string | undefined = () => undefined) {
  const source = wordSource();
  let stopped = 0;
  const done = streamToMessage(source.words, {
    screen: fake.screen,
    note,
    stop: () => {
      stopped += 1;
    },
    sleep: (delayMs, signal) => fake.clock.sleep(delayMs, signal),
  });
  const pass = async (durationMs: number) => {
    fake.clock.advance(durationMs);
    await settle();
  };
  return { ...fake, ...source, done, pass, stopped: () => stopped };
}

describe('streamToMessage', () => {
  it('sends the first message soon and edits it about once a second', async () => {
    const { say, pass, calls, messages, done, end } = start();
    await say('I');
    await pass(100);
    await say(' am');
    expect(calls).toEqual([]);
    await pass(200);
    expect(messages).toEqual(['I am']);
    for (let tenth = 0; tenth < 30; tenth += 1) {
      await say(' x');
      await pass(100);
    }
    expect(calls).toEqual(['300 send', '1400 edit 0', '2500 edit 0']);
    await end();
    expect(await done).toEqual({ kind: 'complete', text: `I am${' x'.repeat(30)}` });
    expect(messages).toEqual([`I am${' x'.repeat(30)}`]);
    expect(calls).toHaveLength(4);
  });

  it('says a short answer at once and once', async () => {
    const { say, end, done, calls, clock } = start();
    await say('Yes.');
    await end();
    await done;
    expect(calls).toEqual(['0 send']);
    expect(clock.timers()).toBe(0);
  });

  it('does not edit where nothing has come', async () => {
    const { say, pass, calls } = start();
    await say('Wait');
    await pass(300);
    await pass(60_000);
    expect(calls).toEqual(['300 send']);
  });

  it('has one edit under way at a time, however slow Discord is', async () => {
    const { say, pass, calls, blockOn, messages, done, end } = start();
    let release: () => void = () => undefined;
    blockOn(
      new Promise((resolve) => {
        release = resolve;
      }),
    );
    await say('one');
    await pass(300);
    await say(' two');
    await pass(30_000);
    expect(calls).toEqual(['300 send']);
    blockOn(undefined);
    release();
    await settle();
    await pass(1100);
    expect(calls).toEqual(['300 send', '31400 edit 0']);
    await end();
    await done;
    expect(messages).toEqual(['one two']);
  });

  it('goes on in another message where one is full', async () => {
    const { say, pass, end, done, calls, messages } = start();
    await say('word '.repeat(300));
    await pass(300);
    await say('word '.repeat(300));
    await pass(1100);
    await say('end.');
    await end();
    const { text } = await done;
    expect(calls).toEqual(['300 send', '1400 edit 0', '1400 send', '1400 edit 1']);
    expect(messages.map(({ length }) => length <= 2000)).toEqual([true, true]);
    expect(messages.join(' ')).toBe(text);
  });

  it('shows why an answer broke off below what has come of it, outside of its code', async () => {
    const { say, fail, done, messages } = start(fakeScreen(), (failure) => `-# ${(failure as Error).message}`);
    await say('```ts\nconst a');
    const failure = new Error('the model died');
    await fail(failure);
    expect(await done).toEqual({ kind: 'failed', text: '```ts\nconst a', failedBy: 'model', failure });
    expect(messages).toEqual(['```ts\nconst a\n```\n\n-# the model died']);
  });

  it('shows a failure alone where nothing has come', async () => {
    const { fail, done, messages } = start(fakeScreen(), () => '-# no');
    await fail(new Error('refused'));
    await done;
    expect(messages).toEqual(['-# no']);
  });

  it('stops the model when nothing can be shown any more', async () => {
    const { say, pass, failWith, stopped, fail, done, calls } = start();
    const failure = new Error('Missing Permissions');
    failWith(failure);
    await say('one');
    await pass(300);
    expect(stopped()).toBe(1);
    await fail(new Error('aborted'));
    expect(await done).toEqual({ kind: 'failed', text: 'one', failedBy: 'screen', failure });
    expect(calls).toEqual(['300 send']);
  });
});
