import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  contentOf,
  demoPolicy,
  eventsOf,
  question,
  sentenceOf,
  startTestGateway,
  type TestGateway,
} from '../helpers/gateway.ts';

// Which process answered is read from the text: every demo tier says its own name.

let gateway: TestGateway;

beforeAll(async () => {
  const policy = demoPolicy(['demo-1.7b', 'demo-4b', 'demo-9b', 'demo-27b']);
  const { 'demo-4b': middle, 'demo-27b': largest } = policy.models;
  if (middle) middle['aliases'] = ['default', 'gpt-4o-mini'];
  if (largest) largest['classes'] = ['batch'];
  policy.clients = [{ name: 'bot', key_env: 'SLUICE_TEST_KEY_UNSET', class: 'route' }];
  policy.classify = {
    rules: [{ when: { header: { name: 'x-purpose', equals: 'background' } }, class: 'route' }],
  };
  gateway = await startTestGateway(policy);
});
afterAll(async () => {
  await gateway?.stop();
});

const tierOfClass = [
  ['route', 'demo-1.7b'],
  ['interactive', 'demo-4b'],
  ['quality', 'demo-9b'],
  ['batch', 'demo-27b'],
] as const;

describe('POST /v1/chat/completions', () => {
  it.each(tierOfClass)('answers class %s from %s', async (modelClass, model) => {
    const reply = await gateway.chat(question({ model: `auto:${modelClass}` }));
    expect(contentOf(reply.text)).toBe(sentenceOf(model));
    expect(reply.headers.get('x-router-model')).toBe(model);
    expect(reply.headers.get('x-router-class')).toBe(modelClass);
    expect(reply.headers.get('x-router-reason')).toContain(model);
    expect(reply.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{24}$/);
    const body = JSON.parse(reply.text);
    expect(body.model).toBe(model);
    expect(body.x_router).toMatchObject({
      model,
      class: modelClass,
      degraded: false,
      attempts: 1,
      request_id: reply.headers.get('x-request-id'),
      predicted: { prompt_tokens: expect.any(Number), e2e_ms: expect.any(Number) },
      actual: {
        e2e_ms: expect.any(Number),
        ttft_ms: expect.any(Number),
        prompt_tokens: body.usage.prompt_tokens,
        output_tokens: body.usage.completion_tokens,
        decode_tokens_per_sec: expect.any(Number),
      },
    });
  });

  it.each(tierOfClass)('streams class %s from %s', async (modelClass, model) => {
    const reply = await gateway.chat(question({ model: `auto:${modelClass}`, stream: true }));
    expect(reply.headers.get('content-type')).toBe('text/event-stream');
    expect(contentOf(reply.text)).toBe(sentenceOf(model));
    const events = eventsOf(reply.text);
    expect(events.slice(0, -1).filter((event) => 'x_router' in event)).toEqual([]);
    expect(events.at(-1).x_router).toMatchObject({ model, class: modelClass, attempts: 1 });
    expect(reply.text.endsWith('\n\ndata: [DONE]\n\n')).toBe(true);
  });

  it('runs each class in a process of its own', async () => {
    const { models } = await gateway.json('/router/models');
    const pids = new Set(models.map((model: { pid: number | null }) => model.pid));
    expect(pids.size).toBe(4);
    expect(pids.has(null)).toBe(false);
  });

  it.each([
    ['its id', 'demo-9b', 'demo-9b'],
    ['an alias', 'gpt-4o-mini', 'demo-4b'],
    ['an alias in capitals', 'DEFAULT', 'demo-4b'],
    ['its file name', 'demo-9b.gguf', 'demo-9b'],
    ['a path to its file', '/somewhere/else/demo-9b.gguf', 'demo-9b'],
    ['the id of a batch model', 'demo-27b', 'demo-27b'],
  ])('takes a model named by %s', async (_, name, model) => {
    const reply = await gateway.chat(question({ model: name }));
    expect(contentOf(reply.text)).toBe(sentenceOf(model));
    expect(reply.headers.get('x-router-reason')).toContain('asked for by name');
  });

  it('takes the class from the header x-router-class', async () => {
    const reply = await gateway.chat(question(), { headers: { 'x-router-class': 'quality' } });
    expect(contentOf(reply.text)).toBe(sentenceOf('demo-9b'));
  });

  it('takes the class from metadata.router_class', async () => {
    const reply = await gateway.chat(question({ metadata: { router_class: 'quality' } }));
    expect(contentOf(reply.text)).toBe(sentenceOf('demo-9b'));
  });

  it('takes the class from a rule of the policy', async () => {
    const reply = await gateway.chat(question(), { headers: { 'x-purpose': 'background' } });
    expect(contentOf(reply.text)).toBe(sentenceOf('demo-1.7b'));
  });

  it('serves short labels from the route model and everything else from the interactive one', async () => {
    const label = await gateway.chat(question({ max_tokens: 16 }));
    expect(label.headers.get('x-router-model')).toBe('demo-1.7b');
    const { model: _, ...unnamed } = question();
    expect(contentOf((await gateway.chat(unnamed)).text)).toBe(sentenceOf('demo-4b'));
  });

  it('names the models there are when the one asked for does not exist', async () => {
    const reply = await gateway.chat(question({ model: 'gpt-9' }));
    expect(reply.status).toBe(404);
    const { error } = JSON.parse(reply.text);
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model', type: 'invalid_request_error' });
    expect(error.message).toContain('demo-27b');
  });

  it('refuses a class that does not exist', async () => {
    const reply = await gateway.chat(question(), { headers: { 'x-router-class': 'fastest' } });
    expect(reply.status).toBe(400);
    expect(JSON.parse(reply.text).error.message).toContain('route, interactive, quality, batch');
  });

  it('says what a prompt longer than every context would need', async () => {
    const reply = await gateway.chat(question({ messages: [{ role: 'user', content: 'word '.repeat(4000) }] }));
    expect(reply.status).toBe(400);
    const { error } = JSON.parse(reply.text);
    expect(error).toMatchObject({ code: 'context_length_exceeded', param: 'messages' });
    expect(error.message).toMatch(/prompt \d+ \+ output \d+ tokens > context 2048/);
  });
});

describe('GET /router/decisions', () => {
  it('shows what was predicted and what it came to', async () => {
    const reply = await gateway.chat(question({ model: 'auto:quality' }));
    const { decisions } = await gateway.json('/router/decisions?limit=1');
    expect(decisions).toHaveLength(1);
    expect(decisions[0]).toMatchObject({
      request_id: reply.headers.get('x-request-id'),
      class: 'quality',
      model: 'demo-9b',
      outcome: { kind: 'ok', finish_reason: 'stop' },
    });
    const losers = decisions[0].candidates.filter((candidate: { model: string }) => candidate.model !== 'demo-9b');
    expect(losers.map((candidate: { reason: string }) => candidate.reason)).not.toContain('');
    expect(losers).toHaveLength(3);
  });
});

describe('POST /router/explain', () => {
  it('decides without running anything', async () => {
    const before = gateway.records().length;
    const response = await fetch(`${gateway.url}/router/explain`, {
      method: 'POST',
      body: JSON.stringify(question({ model: 'auto:quality' })),
    });
    const explained = (await response.json()) as { chosen: { model: string }; candidates: unknown[] };
    expect(explained).toMatchObject({ class: 'quality', chosen: { model: 'demo-9b' }, degraded: false });
    expect(explained.candidates).toHaveLength(4);
    expect(gateway.records()).toHaveLength(before);
  });
});
