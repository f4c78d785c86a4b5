import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  contentOf,
  demoPolicy,
  eventsOf,
  question,
  sentenceOf,
  startTestGateway,
  type TestGateway,
} from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

// Batch work on the heaviest tier, and somebody who waits for an answer of the lightest, on one lane.

let gateway: TestGateway;

beforeAll(async () => {
  const policy = demoPolicy(['demo-1.7b', 'demo-27b']);
  // Half a second is less than any batch answer below takes, and more than the light tier needs to begin.
  policy.classes = {
    interactive: { prefer: 'demo-1.7b', e2e: '500ms' },
    batch: { prefer: 'demo-27b', output_tokens: 200 },
  };
  gateway = await startTestGateway(policy);
});
afterAll(async () => {
  await gateway?.stop();
});
afterEach(async () => {
  await gateway.idle();
});

// Long enough for an interruption to pay: llama-server sees within some 1.5 s that nobody reads its prompt any more.
const TOKENS = 200;
const long = (added: object = {}) => question({ model: 'auto:batch', ignore_eos: true, max_tokens: TOKENS, ...added });
const urgent = () => question({ model: 'auto:interactive' });

async function untilRunning(model: string): Promise<void> {
  await until(`${model} runs`, async () => {
    const { lanes } = await gateway.json('/router/status');
    return lanes[0].running.some((entry: { model: string }) => entry.model === model);
  });
}

describe('an interactive request while batch work runs', () => {
  it('is answered before it, and the batch answer still comes whole, without an error', async () => {
    const from = gateway.events.length;
    const batch = gateway.chat(long());
    await untilRunning('demo-27b');
    const answer = await gateway.chat(urgent());
    expect(contentOf(answer.text)).toBe(sentenceOf('demo-1.7b'));
    const preempted = await gateway.event('the interruption', (event) => event.kind === 'request.preempted', from);
    expect(preempted).toMatchObject({ model: 'demo-27b', by: 'interactive' });

    const reply = await batch;
    expect(reply.status).toBe(200);
    const body = JSON.parse(reply.text);
    expect(body.usage.completion_tokens).toBe(TOKENS);
    expect(body.x_router).toMatchObject({ attempts: 1, actual: { preempted: 1, lost_ms: expect.any(Number) } });

    const records = gateway.records().slice(-2);
    expect(records.map(({ class: name, outcome }) => [name, outcome.kind])).toEqual([
      ['interactive', 'ok'],
      ['batch', 'ok'],
    ]);
    const [first, second] = records;
    expect(first?.actual.queueMs).toBeLessThan(second?.actual.decodeMs ?? 0);
  });

  it('waits for a batch answer whose client has seen a part of it', async () => {
    const from = gateway.events.length;
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify(long({ stream: true, max_tokens: 20 })),
    });
    const parts: string[] = [];
    const decoder = new TextDecoder();
    let answer: ReturnType<TestGateway['chat']> | undefined;
    for await (const bytes of response.body ?? []) {
      parts.push(decoder.decode(bytes, { stream: true }));
      answer ??= gateway.chat(urgent());
    }
    const events = eventsOf(parts.join(''));
    expect(events.at(-1)?.x_router).toMatchObject({ model: 'demo-27b', attempts: 1 });
    expect(events.at(-1)?.x_router.actual.preempted).toBeUndefined();
    expect(contentOf((await answer)?.text ?? '')).toBe(sentenceOf('demo-1.7b'));
    expect(gateway.events.slice(from).some((event) => event.kind === 'request.preempted')).toBe(false);
  });
});
