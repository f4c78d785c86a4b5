import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createIdempotency, ENTRIES_MAX, KEPT_MS } from '../../src/http/idempotency.ts';
import type { Listener, SharedReply } from '../../src/http/shared-reply.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

/** A response that remembers what was written to it. */
class Response extends EventEmitter {
  status = 0;
  headers: Record<string, string> = {};
  text = '';
  ended = false;
  isFull = false;
  destroyed = false;
  get headersSent(): boolean {
    return this.status !== 0;
  }
  get writableNeedDrain(): boolean {
    return this.isFull;
  }
  writeHead(status: number, pairs: readonly string[]): this {
    const names = pairs.filter((_, at) => at % 2 === 0);
    const headers = Object.fromEntries(names.map((name, at) => [name, pairs[2 * at + 1]]));
    Object.assign(this, { status, headers });
    return this;
  }
  write(bytes: Buffer | string): boolean {
    this.text += String(bytes);
    return !this.isFull;
  }
  end(bytes: Buffer | string): this {
    this.text += String(bytes);
    this.ended = true;
    return this;
  }
  destroy(): this {
    this.destroyed = true;
    return this;
  }
  leave(): void {
    this.emit('close');
  }
  drain(): void {
    this.isFull = false;
    this.emit('drain');
  }
}

const asListener = (response: Response) => response as unknown as Listener;

function setUp() {
  const clock = fakeClock();
  const answers = createIdempotency(clock);
  const ask = (response: Response, given: { client?: string; key?: string; path?: string; body?: string } = {}) => {
    const { client = 'bot', key = 'k', path = '/v1/chat/completions', body = '{}' } = given;
    return answers.take({ client, key, path, body: Buffer.from(body) }, asListener(response));
  };
  const first = (response = new Response(), given = {}): SharedReply => {
    const reply = ask(response, given);
    if (reply === undefined) throw new Error('somebody asked before');
    return reply;
  };
  return { clock, answers, ask, first };
}

const HEADERS = { 'content-type': 'text/event-stream' };

describe('a request that is sent again', () => {
  it('while the first runs gets the same answer from its beginning, and the rest as it comes', () => {
    const { ask, first } = setUp();
    const [one, two, three] = [new Response(), new Response(), new Response()];
    const reply = first(one);
    expect(ask(two)).toBeUndefined();
    reply.writeHead(200, Object.entries(HEADERS).flat());
    reply.write('a');
    expect(ask(three)).toBeUndefined();
    reply.write(Buffer.from('b'));
    reply.end('c');
    for (const response of [one, two, three])
      expect([response.status, response.text, response.ended]).toEqual([200, 'abc', true]);
    expect(one.headers).toEqual(HEADERS);
    expect(two.headers).toEqual({ ...HEADERS, 'idempotent-replayed': 'true' });
    expect(three.headers).toEqual({ ...HEADERS, 'idempotent-replayed': 'true' });
  });

  it('gets the answer for a minute after its end, and is run again then', () => {
    const { clock, ask, first, answers } = setUp();
    const reply = first();
    reply.writeHead(200, Object.entries(HEADERS).flat());
    reply.end('all');
    clock.advance(KEPT_MS - 1);
    const again = new Response();
    expect(ask(again)).toBeUndefined();
    expect([again.text, again.ended]).toEqual(['all', true]);
    clock.advance(1);
    expect(ask(new Response())).toBeDefined();
    clock.advance(10 * KEPT_MS);
    expect(answers.size).toBe(1);
  });

  it.each([
    ['its status', (reply: SharedReply) => reply.writeHead(503, [])],
    [
      'an error after its status',
      (reply: SharedReply) => {
        reply.writeHead(200, Object.entries(HEADERS).flat());
        reply.spoil();
      },
    ],
  ])('is run again where the first failed, by %s', (_, fail) => {
    const { ask, first, answers, clock } = setUp();
    const reply = first();
    fail(reply);
    reply.end('failed');
    expect(answers.size).toBe(0);
    expect(ask(new Response())).toBeDefined();
    clock.advance(2 * KEPT_MS);
    expect(answers.size).toBe(1);
  });

  it('is another request where client, path or key are others', () => {
    const { ask } = setUp();
    for (const given of [{}, { client: 'editor' }, { path: '/api/chat' }, { key: 'other' }]) {
      expect(ask(new Response(), given)).toBeDefined();
    }
  });

  it('is refused with another body', () => {
    const { ask, first } = setUp();
    first();
    expect(() => ask(new Response(), { body: '{"a":1}' })).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining('another body') }),
    );
  });

  it.each(['', 'x'.repeat(256)])('is refused with a key of %#', (key) => {
    const { ask } = setUp();
    expect(() => ask(new Response(), { key })).toThrow('1 to 255');
  });
});

describe('those who listen', () => {
  it('keep the run going until the last one has left', () => {
    const { ask, first, answers } = setUp();
    const [one, two] = [new Response(), new Response()];
    const reply = first(one);
    let closed = 0;
    reply.once('close', () => {
      closed += 1;
    });
    ask(two);
    one.leave();
    expect([closed, reply.destroyed]).toEqual([0, false]);
    two.leave();
    expect([closed, reply.destroyed, answers.size]).toEqual([1, true, 0]);
    expect(ask(new Response())).toBeDefined();
  });

  it('are waited for where one reads slowly, but not for one who has left', () => {
    const { ask, first } = setUp();
    const [one, two] = [new Response(), new Response()];
    const reply = first(one);
    ask(two);
    reply.writeHead(200, Object.entries(HEADERS).flat());
    [one.isFull, two.isFull] = [true, true];
    expect(reply.write('a')).toBe(false);
    let resumed = 0;
    reply.once('drain', () => {
      resumed += 1;
    });
    one.drain();
    expect(resumed).toBe(0);
    two.leave();
    expect(resumed).toBe(1);
  });

  it('are told of the end once, after whoever writes it is done', async () => {
    const { first } = setUp();
    const one = new Response();
    const reply = first(one);
    const seen: string[] = [];
    reply.once('close', () => seen.push('close'));
    reply.writeHead(200, Object.entries(HEADERS).flat());
    reply.end('x');
    seen.push('written');
    await new Promise((resolve) => process.nextTick(resolve));
    one.leave();
    expect(seen).toEqual(['written', 'close']);
  });
});

describe('memory', () => {
  it('holds no long answer: those who listen get it, who comes later is told to come back', () => {
    const { ask, first } = setUp();
    const [one, two] = [new Response(), new Response()];
    const reply = first(one);
    ask(two);
    reply.writeHead(200, Object.entries(HEADERS).flat());
    const part = 'x'.repeat(600_000);
    reply.write(part);
    reply.write(part);
    expect(() => ask(new Response())).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ status: 409 }) }),
    );
    reply.end('');
    expect([one.text.length, two.text.length]).toEqual([1_200_000, 1_200_000]);
    expect(ask(new Response())).toBeDefined();
  });

  it('holds 16 MiB and a thousand answers at most, the newest', () => {
    const { ask, first, answers } = setUp();
    for (let count = 0; count < 40; count += 1) {
      const reply = first(new Response(), { key: `long-${count}` });
      reply.writeHead(200, Object.entries(HEADERS).flat());
      reply.end('x'.repeat(1_000_000));
    }
    expect(answers.size).toBe(16);
    expect(ask(new Response(), { key: 'long-39' })).toBeUndefined();
    for (let count = 0; count < 2 * ENTRIES_MAX; count += 1) {
      const reply = first(new Response(), { key: `short-${count}` });
      reply.writeHead(200, Object.entries(HEADERS).flat());
      reply.end('x');
    }
    expect(answers.size).toBeLessThanOrEqual(ENTRIES_MAX);
  });

  it('never gives up a running answer; beyond so many a key does nothing', () => {
    const { ask, first, answers } = setUp();
    for (let count = 0; count < ENTRIES_MAX + 10; count += 1) first(new Response(), { key: `run-${count}` });
    expect(answers.size).toBe(ENTRIES_MAX);
    expect(ask(new Response(), { key: 'run-0' })).toBeUndefined();
    expect(ask(new Response(), { key: `run-${ENTRIES_MAX + 5}` })).toBeDefined();
  });

  it('keeps no timer once there is nothing to forget', () => {
    const { clock, first } = setUp();
    const reply = first();
    reply.writeHead(200, Object.entries(HEADERS).flat());
    reply.end('x');
    expect(clock.timers()).toBe(1);
    clock.advance(3 * KEPT_MS);
    expect(clock.timers()).toBe(0);
  });
});
