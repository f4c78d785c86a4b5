import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  contentOf,
  countingClock,
  demoPolicy,
  question,
  sentenceOf,
  startTestGateway,
  type TestGateway,
} from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

// A client that leaves must free its lane and the engine's slot wherever its request is: queued, loading, reading the
// prompt, writing the answer. After each: nothing runs, nothing waits, no timer is left, and the next request is served.

let gateway: TestGateway;
const clock = countingClock();
const warnings: string[] = [];
const onWarning = (warning: Error) => warnings.push(warning.message);

beforeAll(async () => {
  process.on('warning', onWarning);
  const policy = demoPolicy(['demo-1.7b', 'demo-4b', 'demo-27b']);
  const { 'demo-4b': middle, 'demo-27b': largest } = policy.models;
  if (middle) middle['keep'] = { idle: '1h' };
  if (largest) largest['settings'] = { context: 16_384 };
  gateway = await startTestGateway(policy, { clock });
});
afterAll(async () => {
  await gateway?.stop();
  process.off('warning', onWarning);
});

afterEach(async () => {
  await gateway.idle();
  expect(gateway.records().at(-1)?.outcome.kind).toBe('ok');
  expect(warnings).toEqual([]);
});

const endless = (model: string) => question({ model, stream: true, ignore_eos: true, max_tokens: 1900 });
// Over ten thousand tokens: most of a minute for the 27B tier on two cores.
const longPrompt = { messages: [{ role: 'user', content: 'Count the words. '.repeat(800) }] };

type Client = {
  readonly abort: () => void;
  /** Resolves with the first bytes of the answer's body. */
  readonly began: Promise<void>;
  /** Resolves when the answer has ended or broken off. */
  readonly gone: Promise<void>;
};

function leavingClient(body: object): Client {
  const abort = new AbortController();
  const began = deferred();
  const read = async () => {
    const request = { method: 'POST', body: JSON.stringify(body), signal: abort.signal };
    const { body: bytes } = await fetch(`${gateway.url}/v1/chat/completions`, request);
    for await (const _ of bytes ?? []) began.resolve();
  };
  const gone = read().catch(() => undefined);
  return { abort: () => abort.abort(), began: began.promise, gone };
}

function deferred() {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve: () => resolve() };
}

const isRunning = async (model: string): Promise<boolean> => {
  const { lanes } = await gateway.json('/router/status');
  return lanes.some((lane: { running: { model: string }[] }) => lane.running.some((entry) => entry.model === model));
};
const waitingCount = async (): Promise<number> => {
  const { lanes } = await gateway.json('/router/status');
  return lanes[0].waiting.length;
};

const cancelledCount = () => gateway.records().filter(({ outcome }) => outcome.kind === 'cancelled').length;

async function expectServed(model: string): Promise<void> {
  expect(contentOf((await gateway.chat(question({ model }))).text)).toBe(sentenceOf(model));
}

describe('a client that leaves', () => {
  it('while the answer is written frees the slot within a step and lets the next one in', async () => {
    const before = cancelledCount();
    const client = leavingClient(endless('demo-27b'));
    await client.began;
    const next = gateway.chat(question({ model: 'demo-1.7b' }));
    await until('the next one waits', async () => (await waitingCount()) === 1);
    expect((await gateway.slot('demo-27b')).is_processing).toBe(true);
    const leftAtMs = clock.monotonicMs();
    client.abort();
    expect(contentOf((await next).text)).toBe(sentenceOf('demo-1.7b'));
    const freedMs = clock.monotonicMs() - leftAtMs;
    expect((await gateway.slot('demo-27b')).is_processing).toBe(false);
    // 1,900 tokens of the 27B tier take the better part of a minute.
    expect(freedMs).toBeLessThan(5000);
    expect(cancelledCount()).toBe(before + 1);
    await client.gone;
  });

  it('while the prompt is read frees the slot within a batch', async () => {
    const { pid } = await gateway.child('demo-27b');
    const client = leavingClient({ ...endless('demo-27b'), ...longPrompt });
    await until('the engine works on it', async () => {
      const slot = await gateway.slot('demo-27b');
      return slot.is_processing;
    });
    const leftAtMs = clock.monotonicMs();
    client.abort();
    // Nobody may ask the child meanwhile: it looks for clients that left only when a second passes without a result.
    await gateway.idle();
    expect((await gateway.slot('demo-27b')).is_processing).toBe(false);
    expect(clock.monotonicMs() - leftAtMs).toBeLessThan(10_000);
    expect((await gateway.child('demo-27b')).pid).toBe(pid);
    await client.gone;
    const { ttftMs } = gateway.records().at(-1)?.actual ?? {};
    expect(ttftMs).toBeUndefined();
    await expectServed('demo-27b');
  });

  it('while a plain answer is written frees the slot as well', async () => {
    const client = leavingClient({ ...endless('demo-27b'), stream: false });
    await until('it runs', async () => (await gateway.slot('demo-27b')).is_processing);
    client.abort();
    await gateway.idle();
    expect((await gateway.slot('demo-27b')).is_processing).toBe(false);
    await client.gone;
    await expectServed('demo-27b');
  });

  it('while queued leaves the queue and disturbs nobody', async () => {
    const running = leavingClient(endless('demo-27b'));
    await until('it runs', () => isRunning('demo-27b'));
    const queued = leavingClient(question({ model: 'demo-1.7b', stream: true }));
    await until('one waits', async () => (await waitingCount()) === 1);
    queued.abort();
    await until('none waits', async () => (await waitingCount()) === 0);
    expect(await isRunning('demo-27b')).toBe(true);
    running.abort();
    await Promise.all([queued.gone, running.gone]);
    await expectServed('demo-1.7b');
  });

  it('while its model loads gives the lane back at once', async () => {
    const loading = gateway.events.length;
    const client = leavingClient(question({ model: 'demo-4b', stream: true }));
    await gateway.event(
      'the load begins',
      (event) => event.kind === 'child.state' && event.model === 'demo-4b' && event.to === 'loading',
      loading,
    );
    client.abort();
    await gateway.idle();
    await client.gone;
    expect(gateway.records().at(-1)?.outcome.kind).toBe('cancelled');
    await expectServed('demo-4b');
  });

  it('before its body is complete is no request at all', async () => {
    const before = gateway.records().length;
    const { hostname, port } = new URL(gateway.url);
    const { connect } = await import('node:net');
    const socket = connect(Number(port), hostname);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"model":');
    socket.destroy();
    await expectServed('demo-1.7b');
    expect(gateway.records()).toHaveLength(before + 1);
  });

  it('leaves no timer behind, twenty times over', async () => {
    await gateway.idle();
    await expectServed('demo-1.7b');
    const quiet = clock.pending();
    for (let round = 0; round < 20; round += 1) {
      const client = leavingClient(endless('demo-1.7b'));
      if (round % 2 === 0) await client.began;
      client.abort();
      await client.gone;
    }
    await gateway.idle();
    await expectServed('demo-1.7b');
    await until('timers are as before', () => clock.pending() <= quiet);
  });
});

describe('DELETE /router/requests/:id', () => {
  it('cancels a running request and tells its client', async () => {
    const body = { ...endless('demo-27b') };
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body) });
    const id = answer.headers.get('x-request-id');
    const deleted = await fetch(`${gateway.url}/router/requests/${id}`, { method: 'DELETE' });
    expect(await deleted.json()).toEqual({ id, cancelled: true });
    expect(await answer.text()).toContain('"code":"request_cancelled"');
    await gateway.idle();
    expect((await gateway.slot('demo-27b')).is_processing).toBe(false);
    const again = await fetch(`${gateway.url}/router/requests/${id}`, { method: 'DELETE' });
    expect(again.status).toBe(404);
    await expectServed('demo-27b');
  });
});
