import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  contentOf,
  demoPolicy,
  type PolicyFile,
  question,
  sentenceOf,
  startTestGateway,
  type TestGateway,
} from '../helpers/gateway.ts';

// A real llama-server is asked for task and class. Its model can only say its one sentence, which names neither: what is
// tested is everything around the answer, not how well a model classifies.

const MODEL = 'demo-1.7b';
const TEXT = 'Write a python function that reverses a list';

let gateway: TestGateway;

function policyWith(budget: string): PolicyFile {
  return { ...demoPolicy([MODEL]), classify: { model: MODEL, budget } };
}

beforeAll(async () => {
  gateway = await startTestGateway(policyWith('1ms'));
});
afterAll(async () => {
  await gateway?.stop();
});

/** What the record of a request says on who guessed its task, and how. */
async function taskReason(): Promise<string> {
  const reply = await gateway.chat(question({ messages: [{ role: 'user', content: TEXT }] }));
  expect(reply.status).toBe(200);
  expect(contentOf(reply.text)).toBe(sentenceOf(MODEL));
  await gateway.idle();
  const reason = gateway
    .records()
    .at(-1)
    ?.reasons.find(({ rule }) => rule === 'linear');
  return reason?.detail ?? 'the built-in classifier said nothing';
}

describe('classify.model with the id of a model', () => {
  it('asks that model only where it is fast enough, and goes by the built-in classifier as its answer names nothing', async () => {
    expect(await taskReason()).toMatch(/^task code p=[01]\.\d\d \(demo-1\.7b would need \d+ ms of 1 ms\)$/);
    gateway.writePolicy(policyWith('60s'));
    await gateway.event(
      'the longer budget is in force',
      (event) => event.kind === 'policy.loaded',
      gateway.events.length,
    );
    expect(await taskReason()).toMatch(/^task code p=[01]\.\d\d \(demo-1\.7b named no task and class\)$/);
  });
});
