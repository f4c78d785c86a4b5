import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoPolicy, type Parsed, startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

// Real llama-servers tell what they had in their caches (`cache_n`) and how many tokens a prompt has; the gateway must
// have known the first before it sent the request, and the second where it matters.

type Message = { readonly role: string; readonly content: string };

const words = 'the disk of this machine fills with logs that nobody reads until the service stops at night'.split(' ');
/** Text that repeats no longer piece of another text made with another seed. */
const text = (seed: number, count: number): string =>
  Array.from(
    { length: count },
    (_, index) => words[(index * (seed + 7) + ((index * index) % (seed + 11))) % words.length],
  ).join(' ');
const say = (content: string): Message => ({ role: 'user', content });
const system: Message = { role: 'system', content: text(1, 160) };

let gateway: TestGateway;

beforeAll(async () => {
  const policy = demoPolicy(['tiny', 'demo-1.7b']);
  const short = policy.models['tiny'];
  if (short !== undefined) short['settings'] = { context: 1024 };
  // Never started: its prompts can only be counted by the other one with the same vocabulary.
  policy.models['tiny-twin'] = { ...policy.models['tiny'], keep: 'never', classes: ['batch'] };
  policy.classes['route'] = { min_quality: 0, prefer: 'tiny' };
  gateway = await startTestGateway(policy);
});
afterAll(async () => {
  await gateway?.stop();
});

async function ask(model: string, messages: readonly Message[], added: object = {}) {
  const reply = await gateway.chat({ model, messages, max_tokens: 12, ...added });
  expect(reply.status).toBe(200);
  const { choices, x_router: route } = JSON.parse(reply.text);
  return { answer: { role: 'assistant', content: choices[0].message.content as string }, ...route };
}

const explain = async (body: object): Promise<Parsed> => {
  const response = await fetch(`${gateway.url}/router/explain`, { method: 'POST', body: JSON.stringify(body) });
  expect(response.status).toBe(200);
  return response.json();
};

const within = (value: number, expected: number, share: number) =>
  expect(Math.abs(value - expected), `${value} against ${expected}`).toBeLessThanOrEqual(share * expected);

describe('what a cache holds', () => {
  it('is known for the second turn of a conversation, and makes its predicted prefill shorter', async () => {
    for (let round = 1; round < 5; round += 1) await ask('demo-1.7b', [say(text(20 + round, 25 * round))]);
    const first = await ask('demo-1.7b', [system, say(text(2, 40))]);
    expect(first.predicted.cached_tokens).toBeLessThan(40);
    const turn = [system, say(text(2, 40)), first.answer, say(text(3, 40))];
    const second = await ask('demo-1.7b', turn);
    expect(second.actual.cached_tokens).toBeGreaterThan(150);
    within(second.predicted.cached_tokens, second.actual.cached_tokens, 0.1);
    within(second.predicted.prompt_tokens, second.actual.prompt_tokens, 0.1);
    const share = second.actual.cached_tokens / second.actual.prompt_tokens;
    expect(second.predicted.prefill_ms).toBeLessThan(first.predicted.prefill_ms * (1 - share / 2));
  });

  it('is known of a conversation that was displaced and comes back', async () => {
    const one = [say(text(4, 160))];
    await ask('demo-1.7b', one);
    await ask('demo-1.7b', [say(text(5, 160))]);
    const back = await ask('demo-1.7b', one);
    expect(back.actual.cached_tokens).toBeGreaterThan(150);
    within(back.predicted.cached_tokens, back.actual.cached_tokens, 0.1);
  });

  it('is known of conversations that come and go in any order, nearly always', async () => {
    // Four conversations, two to a system text, taken up in a fixed but wild order; each begins anew after three turns.
    const systems = [text(31, 40), text(32, 60)];
    const talks: Message[][] = Array.from({ length: 4 }, () => []);
    let missed = 0;
    for (let step = 0; step < 40; step += 1) {
      const one = (step * step * 7 + step * 3 + (step >> 2)) % talks.length;
      let talk = talks[one] ?? [];
      if (talk.length === 0 || talk.length > 6) talk = [{ role: 'system', content: systems[one % 2] ?? '' }];
      talk = [...talk, say(text(40 + step, 10 + ((step * 13) % 30)))];
      const { answer, predicted, actual } = await ask('tiny', talk);
      talks[one] = [...talk, answer];
      const off = Math.abs(predicted.cached_tokens - actual.cached_tokens);
      if (off > Math.max(32, 0.1 * actual.cached_tokens)) missed += 1;
    }
    expect(missed).toBeLessThanOrEqual(6);
  });

  it('is nothing after a restart of the child', async () => {
    const prompt = [say(text(6, 120))];
    await ask('demo-1.7b', prompt);
    expect((await ask('demo-1.7b', prompt)).predicted.cached_tokens).toBeGreaterThan(100);
    const { pid } = await gateway.child('demo-1.7b');
    process.kill(pid, 'SIGKILL');
    await until('another process is ready', async () => {
      const { models } = await gateway.json('/router/models');
      const row = models.find(({ id }: { id: string }) => id === 'demo-1.7b');
      return row.pid !== null && row.pid !== pid && row.state.kind === 'ready';
    });
    const after = await ask('demo-1.7b', prompt);
    expect(after.predicted.cached_tokens).toBe(0);
    expect(after.actual.cached_tokens).toBeLessThan(10);
  });
});

describe('how many tokens a prompt has', () => {
  it('is counted for a dry run by a child that is up, tools included, as the engine counts', async () => {
    const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }];
    const body = { model: 'demo-1.7b', messages: [say(text(8, 90))], tools };
    const explained = await explain(body);
    expect(explained.tokens.prompt_basis).toBe('counted by demo-1.7b');
    const { actual } = await ask('demo-1.7b', body.messages, { tools });
    expect(explained.tokens.prompt).toBe(actual.prompt_tokens);
  });

  it('is counted by another model with the same vocabulary where the model itself is not loaded', async () => {
    const explained = await explain({ model: 'tiny-twin', messages: [say(text(12, 30))] });
    expect(explained.tokens.prompt_basis).toBe('counted by tiny');
    const { actual } = await ask('tiny', [say(text(12, 30))]);
    expect(explained.tokens.prompt).toBe(actual.prompt_tokens);
  });

  it('goes on from the last turn, which the engine itself counted', async () => {
    const first = await ask('tiny', [say(text(9, 100))]);
    const { prompt_tokens: counted } = first.actual;
    const next = [say(text(9, 100)), first.answer, say('And then?')];
    const second = await ask('tiny', next);
    const { tokens } = await gateway
      .json('/router/decisions?limit=1')
      .then(({ decisions }) => ({ tokens: decisions[0].predicted.prompt_tokens as number }));
    expect(tokens).toBeGreaterThan(counted);
    within(tokens, second.actual.prompt_tokens, 0.25);
  });

  it('is counted before a request is refused that only seems too long, while the child generates', async () => {
    // Far more characters to a token than any text before it: by characters it does not fit, by tokens it does.
    const long = say(' the'.repeat(900));
    const busy = ask('tiny', [say(text(10, 50))], { max_tokens: 200 });
    const reply = await ask('tiny', [long]);
    await busy;
    expect(reply.model).toBe('tiny');
    expect(reply.actual.prompt_tokens).toBeLessThan(1024);
    expect(reply.predicted.prompt_tokens).toBe(reply.actual.prompt_tokens);
  });

  it('sends a prompt that turns out too long to a model with a longer context, and expects it the next time', async () => {
    // Bytes outside the vocabulary: one token each, where English has some four characters to a token.
    const dense = say('\u00e9\u00df\u00f1'.repeat(250));
    const body = { model: 'auto:route', messages: [dense], max_tokens: 4 };
    const reply = await gateway.chat(body);
    const { x_router: route } = JSON.parse(reply.text);
    expect(route.model).toBe('demo-1.7b');
    const again = await explain(body);
    const row = again.candidates.find(({ model }: { model: string }) => model === 'tiny');
    expect(row.feasible).toBe(false);
    expect(row.reason).toMatch(/> context 1024/);
    expect(again.chosen.model).toBe('demo-1.7b');
  });
});

describe('what a model can do', () => {
  it('is told by its running child, with where it stands, and holds after it was unloaded', async () => {
    const rowOf = async () => {
      const { models } = await gateway.json('/router/models');
      return models.find(({ id }: { id: string }) => id === 'demo-1.7b');
    };
    await ask('demo-1.7b', [say('Hello')]);
    const running = await rowOf();
    expect(running.facts.capability_sources).toMatchObject({
      tools: '/props of the running child',
      vision: '/props of the running child',
      json_schema: "llama-server's grammars",
    });
    expect(running.facts.context_tokens).toBe(2048);
    await fetch(`${gateway.url}/router/models/demo-1.7b/unload`, { method: 'POST' });
    const stopped = await rowOf();
    expect(stopped.state.kind).toBe('stopped');
    expect(stopped.facts).toEqual(running.facts);
  });
});
