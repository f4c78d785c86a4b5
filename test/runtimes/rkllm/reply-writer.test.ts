import { describe, expect, it } from 'vitest';
import { createReplyWriter } from '../../../runtimes/rkllm/reply-writer.ts';
import { fakeClock } from '../../helpers/fake-clock.ts';

const END = { reason: 'stop', figures: undefined } as const;
const form = (stream: boolean) => ({ id: 'chatcmpl-1', createdSec: 1, model: 'npu', stream, includeUsage: false });
const word = (text: string) => [{ kind: 'content', text }] as const;

function start(stream: boolean) {
  const clock = fakeClock();
  const written: string[] = [];
  return { clock, written, writer: createReplyWriter(form(stream), (text) => written.push(text), clock) };
}

describe('createReplyWriter', () => {
  it('puts tokens of the same fiftieth of a second into one piece', () => {
    const { clock, written, writer } = start(true);
    writer.add(word('one'));
    writer.add(word('two'));
    clock.advance(20);
    expect(written).toHaveLength(1);
    expect(written[0]).toMatch(/"role":"assistant".*"one".*"two"/s);
  });

  it('gives a token that comes alone out at once, at the pace of the fastest model of an NPU', async () => {
    const { clock, written, writer } = start(true);
    for (const text of ['one', 'two', 'three']) {
      clock.advance(22);
      writer.add(word(text));
      await new Promise(setImmediate);
      expect(written.at(-1)).toContain(`"${text}"`);
    }
    expect(written).toHaveLength(3);
  });

  it('gathers twice as long where tokens come faster than anybody reads, and no longer than that', async () => {
    const { clock, written, writer } = start(true);
    const pieces: number[] = [];
    for (let ms = 1; ms <= 130; ms += 1) {
      writer.add(word('x'));
      clock.advance(1);
      if (written.length > pieces.length) pieces.push(ms);
    }
    expect(pieces).toEqual([20, 60, 100]);
    // What comes slowly again goes out sooner again.
    clock.advance(70);
    writer.add(word('alone'));
    await new Promise(setImmediate);
    expect(written.at(-1)).toContain('alone');
    const before = written.length;
    writer.add(word('soon'));
    clock.advance(20);
    expect(written).toHaveLength(before + 1);
  });

  it('begins a stream once and ends it with what is left', () => {
    const { clock, written, writer } = start(true);
    writer.add(word('one'));
    clock.advance(20);
    writer.add(word('two'));
    writer.end(END);
    clock.advance(20);
    expect(written).toHaveLength(2);
    expect(written[1]).not.toContain('assistant');
    expect(written[1]).toMatch(/"two".*"finish_reason":"stop".*\[DONE\]/s);
  });

  it('writes a reply that is no stream at its end, and only signs of life before', async () => {
    const { clock, written, writer } = start(false);
    for (const text of ['one ', 'two']) {
      clock.advance(1500);
      writer.add(word(text));
      await new Promise(setImmediate);
    }
    expect(written).toEqual(['', '']);
    writer.end(END);
    expect(JSON.parse(written.at(-1) ?? '').choices[0].message.content).toBe('one two');
  });
});
