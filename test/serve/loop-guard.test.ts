import { describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../src/core/events.ts';
import { modelId, requestId } from '../../src/core/ids.ts';
import type { Exchange, ReplySink } from '../../src/core/runtime.ts';
import { createLoopGuard, type LoopGuard, openExchange } from '../../src/serve/loop-guard.ts';

const MODEL = modelId('looper');
const event = (text: string) => Buffer.from(`data: {"choices":[{"delta":{"content":${JSON.stringify(text)}}}]}\n\n`);
const whole = (text: string) =>
  Buffer.from(
    JSON.stringify({ choices: [{ message: { role: 'assistant', content: text }, finish_reason: 'length' }] }),
  );

// An engine whose reply the test writes, and a client that notes what it gets.
function setup(given: { readonly guard: LoopGuard; readonly path?: string }) {
  const seen: string[] = [];
  let engine: ReplySink | undefined;
  let stopped = false;
  const exchange: Exchange = {
    abort: () => {
      stopped = true;
    },
    resume: () => undefined,
  };
  const connection = {
    exchange: (_path: string, _body: Buffer | string, sink: ReplySink) => {
      engine = sink;
      return exchange;
    },
  };
  const sink: ReplySink = {
    head: (status) => void seen.push(`head ${status}`),
    chunk: (bytes) => {
      seen.push(`chunk ${bytes.length}`);
      return true;
    },
    end: () => void seen.push('end'),
    failed: (error) => void seen.push(`failed ${error.code}: ${error.message}`),
  };
  const job = { requestId: requestId('r1'), path: given.path ?? '/v1/chat/completions', bodyFor: () => '{}' };
  openExchange(given.guard, connection, { job, model: MODEL, sink });
  if (engine === undefined) throw new Error('nothing was sent');
  return { seen, engine, isStopped: () => stopped };
}

function guarded(isOn = true) {
  const events: GatewayEvent[] = [];
  return { guard: createLoopGuard({ isOn: () => isOn, emit: (one) => void events.push(one) }), events };
}

function stream(engine: ReplySink, text: string, times: number): void {
  engine.head(200, 'text/event-stream; charset=utf-8');
  for (let at = 0; at < times; at += 1) engine.chunk(event(text));
}

describe('openExchange', () => {
  it('stops a stream that loops, and says so once', () => {
    const { guard, events } = guarded();
    const { seen, engine, isStopped } = setup({ guard });
    stream(engine, ' again and "again"\n', 200);
    engine.end();
    expect(isStopped()).toBe(true);
    expect(seen.filter((one) => one.startsWith('failed'))).toEqual([
      expect.stringMatching(
        /^failed degenerate_output: looper began to repeat itself: the last \d+ characters repeat 22;/,
      ),
    ]);
    expect(seen.at(-1)).toMatch(/^failed/);
    expect(seen.length).toBeLessThan(70);
    expect(events).toEqual([expect.objectContaining({ kind: 'request.looped', model: 'looper', periodChars: 22 })]);
    expect(guard.shareOf(MODEL)).toEqual({ stopped: 1, answers: 1 });
  });

  it('finds a loop whose events are cut anywhere', () => {
    const { guard } = guarded();
    const { seen, engine } = setup({ guard });
    engine.head(200, 'text/event-stream');
    const bytes = Buffer.concat(Array.from({ length: 200 }, () => event(' größer und größer')));
    for (let at = 0; at < bytes.length; at += 701) engine.chunk(bytes.subarray(at, at + 701));
    expect(seen.at(-1)).toMatch(/^failed degenerate_output/);
  });

  it('fails a whole reply that ends in a loop before its end is told', () => {
    const { guard } = guarded();
    const { seen, engine } = setup({ guard });
    engine.head(200, 'application/json');
    engine.chunk(whole(`It begins well. ${'I am the tiny tier. '.repeat(60)}`));
    engine.end();
    expect(seen.map((one) => one.split(' ')[0])).toEqual(['head', 'chunk', 'failed']);
  });

  it('passes good answers, and what the engine refuses, on as they are', () => {
    const { guard, events } = guarded();
    const answer = setup({ guard });
    answer.engine.head(200, 'application/json');
    answer.engine.chunk(whole('A short answer.'));
    answer.engine.end();
    expect(answer.seen.map((one) => one.split(' ')[0])).toEqual(['head', 'chunk', 'end']);
    const refused = setup({ guard });
    refused.engine.head(400, 'application/json');
    refused.engine.chunk(whole('no '.repeat(1000)));
    refused.engine.end();
    expect(refused.seen.at(-1)).toBe('end');
    expect(events).toEqual([]);
    expect(guard.shareOf(MODEL)).toEqual({ stopped: 0, answers: 1 });
  });

  it.each([
    ['switched off', false, '/v1/chat/completions'],
    ['asked for vectors', true, '/v1/embeddings'],
  ])('does nothing where it is %s', (_, isOn, path) => {
    const { guard } = guarded(isOn);
    const { seen, engine, isStopped } = setup({ guard, path });
    stream(engine, 'no ', 1000);
    engine.end();
    expect([isStopped(), seen.length, seen.at(-1)]).toEqual([false, 1002, 'end']);
    expect(guard.shareOf(MODEL)).toBeUndefined();
  });

  it('tells once that more than 5 % of a model loops', () => {
    const { guard, events } = guarded();
    const asked = { job: { requestId: requestId('r1'), path: '', bodyFor: () => '' }, model: MODEL };
    for (let answer = 0; answer < 30; answer += 1) guard.count(asked, undefined);
    const loop = { periodChars: 4, chars: 800 };
    guard.count(asked, loop);
    expect(events.filter(({ kind }) => kind === 'gateway.notice')).toEqual([]);
    guard.count(asked, loop);
    guard.count(asked, loop);
    expect(events.filter(({ kind }) => kind === 'gateway.notice')).toEqual([
      expect.objectContaining({ message: expect.stringContaining('2 of the last 32 answers of looper') }),
    ]);
  });
});
