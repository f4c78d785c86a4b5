import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contentOf, demoPolicy, question, sentenceOf, startTestGateway, type TestGateway } from '../helpers/gateway.ts';

// What a client sees while nothing comes: a lane is held by a long generation, so that the next request has to wait.

let gateway: TestGateway;

beforeAll(async () => {
  const policy = demoPolicy(['tiny', 'demo-4b']);
  policy.gateway = { ...policy.gateway, early_headers: '50ms', heartbeat: '100ms', status_hold: '300ms' };
  gateway = await startTestGateway(policy);
});
afterAll(async () => {
  await gateway?.stop();
});

/** Holds the lane until `during` has done what it wants to see. */
async function whileBusy<Value>(during: (free: () => void) => Promise<Value>): Promise<Value> {
  const leave = new AbortController();
  const body = question({ model: 'demo-4b', stream: true, ignore_eos: true, max_tokens: 1900 });
  const held = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify(body),
    signal: leave.signal,
  });
  try {
    return await during(() => leave.abort());
  } finally {
    leave.abort();
    await held.text().catch(() => undefined);
    await gateway.idle();
  }
}

/** Reads an answer piece by piece and frees the lane once `enough` has been seen. */
async function readFreeing(response: Response, free: () => void, enough: (text: string) => boolean): Promise<string> {
  let text = '';
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    if (enough(text)) free();
  }
  return text;
}

const post = (body: object) =>
  fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body) });

describe('a stream that has to wait', () => {
  it('sends its headers early and comments until the answer comes', async () => {
    const text = await whileBusy(async (free) => {
      const response = await post(question({ model: 'tiny', stream: true }));
      expect(response.headers.get('content-type')).toBe('text/event-stream');
      expect(response.headers.get('x-router-model')).toBe('tiny');
      return readFreeing(response, free, (so) => so.split(': ping\n\n').length > 2);
    });
    expect(text).toMatch(/^(: ping\n\n){2,}data: \{/);
    expect(text.slice(text.indexOf('data: '))).not.toContain(': ping');
    expect(contentOf(text)).toBe(sentenceOf('tiny'));
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('ends with an error event where it can no longer have a status', async () => {
    const text = await whileBusy(async () => {
      const response = await post(question({ model: 'tiny', stream: true }));
      const id = response.headers.get('x-request-id');
      await fetch(`${gateway.url}/router/requests/${id}`, { method: 'DELETE' });
      return response.text();
    });
    expect(text).toMatch(/^(: ping\n\n)+data: \{"error":\{.*"code":"request_cancelled"\}\}\n\n$/);
  });

  it('is read by the openai SDK', async () => {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const text = await whileBusy(async (free) => {
      const stream = await client.chat.completions.create({
        model: 'tiny',
        messages: [{ role: 'user', content: 'Who are you?' }],
        stream: true,
      });
      free();
      let said = '';
      for await (const chunk of stream) said += chunk.choices[0]?.delta.content ?? '';
      return said;
    });
    expect(text).toBe(sentenceOf('tiny'));
  });
});

describe('a plain answer that has to wait', () => {
  it('gives up its status after status_hold and sends white space before its JSON', async () => {
    const text = await whileBusy(async (free) => {
      const response = await post(question({ model: 'tiny' }));
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toContain('application/json');
      return readFreeing(response, free, (so) => so.length >= 2);
    });
    expect(text).toMatch(/^ {2,}\{/);
    expect(contentOf(text)).toBe(sentenceOf('tiny'));
  });

  it('is read by the openai SDK', async () => {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const completion = await whileBusy(async (free) => {
      const call = client.chat.completions.create({ model: 'tiny', messages: [{ role: 'user', content: 'Who?' }] });
      const response = await call.asResponse();
      expect(response.status).toBe(200);
      free();
      return call;
    });
    expect(completion.choices[0]?.message.content).toBe(sentenceOf('tiny'));
  });
});
