import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  demoPolicy,
  type Parsed,
  question,
  sentenceOf,
  startTestGateway,
  type TestGateway,
  until,
} from '../helpers/gateway.ts';
import { expectBatchSchema } from '../helpers/openai-schema.ts';

// Files and batches by the real SDK, over real llama-server children.

let gateway: TestGateway;
let openai: OpenAI;

beforeAll(async () => {
  const policy = demoPolicy(['tiny', 'demo-4b']);
  Object.assign(policy.runtimes['llama']?.['settings'] ?? {}, { threads: 1 });
  policy.classes['batch'] = { min_quality: 0, window: '00:00-24:00' };
  gateway = await startTestGateway(policy);
  openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await gateway?.stop();
});

type Line = { readonly custom_id: string; readonly body?: object; readonly url?: string; readonly method?: string };
const line = ({ custom_id, body, url = '/v1/chat/completions', method = 'POST' }: Line): string =>
  JSON.stringify({ custom_id, method, url, body: body ?? question() });
const lines = (count: number, body?: object): string =>
  Array.from({ length: count }, (_, index) => line({ custom_id: `item-${index + 1}`, ...(body && { body }) })).join(
    '\n',
  );

const upload = async (text: string) =>
  openai.files.create({ file: await toFile(Buffer.from(text), 'night.jsonl'), purpose: 'batch' });

async function submit(text: string, given: Partial<OpenAI.Batches.BatchCreateParams> = {}) {
  const file = await upload(text);
  return openai.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
    ...given,
  });
}

const ENDED = ['completed', 'failed', 'expired', 'cancelled'];

async function ended(id: string): Promise<Parsed> {
  let batch: Parsed;
  await until(`the end of ${id}`, async () => {
    batch = await openai.batches.retrieve(id);
    expectBatchSchema('Batch', batch);
    return ENDED.includes(batch.status);
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify(batch.x_router)}`);
  });
  return batch;
}

async function contentOf(id: string | null | undefined): Promise<Parsed[]> {
  if (!id) return [];
  const text = await (await openai.files.content(id)).text();
  return text
    .trimEnd()
    .split('\n')
    .map((row) => {
      const result: Parsed = JSON.parse(row);
      expectBatchSchema('BatchOutputLine', result);
      return result;
    });
}

describe('a file', () => {
  it('is taken, listed, read and deleted', async () => {
    const text = lines(3);
    const file = await upload(text);
    expect(file).toMatchObject({
      object: 'file',
      bytes: text.length,
      filename: 'night.jsonl',
      purpose: 'batch',
      status: 'processed',
    });
    expectBatchSchema('OpenAIFile', file);
    expectBatchSchema('ListFilesResponse', await (await fetch(`${gateway.url}/v1/files?limit=2`)).json());
    expect(file.expires_at).toBeGreaterThan(file.created_at);
    expect(await openai.files.retrieve(file.id)).toEqual(file);
    expect((await openai.files.list()).data).toContainEqual(file);
    expect(await (await openai.files.content(file.id)).text()).toBe(text);
    expect(await openai.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true });
    await expect(openai.files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
    expect(existsSync(join(gateway.dataDir, 'files', file.id))).toBe(false);
  });

  it('lives as long as it is told to', async () => {
    const file = await openai.files.create({
      file: await toFile(Buffer.from(lines(1)), 'x.jsonl'),
      purpose: 'batch',
      expires_after: { anchor: 'created_at', seconds: 7200 },
    });
    expect((file.expires_at ?? 0) - file.created_at).toBe(7200);
  });

  it('is listed page by page', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1) ids.push((await upload(lines(1))).id);
    const seen: string[] = [];
    for await (const file of openai.files.list({ limit: 2 })) seen.push(file.id);
    expect(seen.slice(0, 3)).toEqual(ids.toReversed());
    expect(new Set(seen).size).toBe(seen.length);
  });

  it.each([
    ['another purpose', { purpose: 'fine-tune' }, 'purpose'],
    [
      'an expiry below an hour',
      { purpose: 'batch', expires_after: { anchor: 'created_at', seconds: 10 } },
      'expires_after.seconds',
    ],
  ])('with %s is refused, and nothing is left of it', async (_, given, param) => {
    const before = readdirSync(join(gateway.dataDir, 'files'));
    const file = await toFile(Buffer.from(lines(1)), 'x.jsonl');
    await expect(openai.files.create({ file, ...given } as never)).rejects.toMatchObject({ status: 400, param });
    await until('the file is gone', () => readdirSync(join(gateway.dataDir, 'files')).length === before.length);
  });

  it.each([
    ['no form', { 'content-type': 'application/json' }, '{}'],
    ['no boundary', { 'content-type': 'multipart/form-data' }, 'x'],
    [
      'a form without a file',
      { 'content-type': 'multipart/form-data; boundary=b' },
      '--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b--\r\n',
    ],
    [
      'half a form',
      { 'content-type': 'multipart/form-data; boundary=b' },
      '--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\nabc',
    ],
  ])('sent as %s is a client mistake', async (_, headers, body) => {
    const response = await fetch(`${gateway.url}/v1/files`, {
      method: 'POST',
      headers,
      body,
      signal: AbortSignal.timeout(5000),
    });
    expect(response.status).toBe(400);
    expect(((await response.json()) as Parsed).error.type).toBe('invalid_request_error');
  });
});

describe('a batch', () => {
  it('is run and has its results in a file', async () => {
    const batch = await submit(lines(6), { metadata: { purpose: 'test' } });
    expect(batch).toMatchObject({
      object: 'batch',
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
      metadata: { purpose: 'test' },
    });
    const done = await ended(batch.id);
    expect(done).toMatchObject({
      status: 'completed',
      errors: null,
      error_file_id: null,
      request_counts: { total: 6, completed: 6, failed: 0 },
    });
    expect(done.usage.output_tokens).toBeGreaterThan(0);
    expect(done.usage.total_tokens).toBe(done.usage.input_tokens + done.usage.output_tokens);
    for (const step of ['created_at', 'in_progress_at', 'finalizing_at', 'completed_at', 'expires_at'])
      expect(done[step]).toBeGreaterThan(0);
    const results = await contentOf(done.output_file_id);
    expect(results.map((result) => result.custom_id)).toEqual([
      'item-1',
      'item-2',
      'item-3',
      'item-4',
      'item-5',
      'item-6',
    ]);
    for (const result of results) {
      expect(result).toMatchObject({ error: null, response: { status_code: 200 } });
      expect(result.response.body.choices[0].message.content).toBe(sentenceOf('demo-4b'));
      expect(result.response.body.x_router).toMatchObject({ class: 'batch', model: 'demo-4b', attempts: 1 });
    }
    expect(new Set(results.map((result) => result.id)).size).toBe(6);
  });

  it('uses the model that a line names', async () => {
    const text = [line({ custom_id: 'a', body: question({ model: 'tiny' }) }), line({ custom_id: 'b' })].join('\n');
    const done = await ended((await submit(text)).id);
    const results = await contentOf(done.output_file_id);
    expect(results.map((result) => result.response.body.model)).toEqual(['tiny', 'demo-4b']);
  });

  it('uses the model that the batch names, and none below its quality', async () => {
    const one = await ended((await submit(lines(1), { metadata: { x_model: 'tiny' } })).id);
    expect((await contentOf(one.output_file_id))[0].response.body.model).toBe('tiny');
  });

  it('puts what cannot be answered into the error file', async () => {
    const format = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'nonsense' } } };
    const text = [
      line({ custom_id: 'good' }),
      line({ custom_id: 'bad', body: question({ response_format: format }) }),
      line({ custom_id: 'long', body: question({ messages: [{ role: 'user', content: 'word '.repeat(20_000) }] }) }),
    ].join('\n');
    const done = await ended((await submit(text)).id);
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 3, completed: 1, failed: 2 } });
    const errors = await contentOf(done.error_file_id);
    expect(errors).toMatchObject([
      { custom_id: 'bad', error: null },
      { custom_id: 'long', error: null, response: { body: { error: { code: 'context_length_exceeded' } } } },
    ]);
    for (const { response } of errors) {
      expect(response.status_code).toBeGreaterThanOrEqual(400);
      expect(response.body.error.message).toBeTruthy();
    }
  });

  it.each<[string, string, object]>([
    ['no JSON', `${line({ custom_id: 'a' })}\nnonsense`, { line: 2, code: 'invalid_json_line' }],
    [
      'the same id twice',
      `${line({ custom_id: 'a' })}\n${line({ custom_id: 'a' })}`,
      { line: 2, code: 'duplicate_custom_id', param: 'custom_id' },
    ],
    [
      'another endpoint',
      line({ custom_id: 'a', url: '/v1/embeddings' }),
      { line: 1, code: 'mismatched_endpoint', param: 'url' },
    ],
    ['another method', line({ custom_id: 'a', method: 'GET' }), { line: 1, param: 'method' }],
    ['no id', line({ custom_id: '' }), { line: 1, param: 'custom_id' }],
    ['a body that is wrong', line({ custom_id: 'a', body: { messages: [] } }), { line: 1, param: 'body.messages' }],
    ['a stream', line({ custom_id: 'a', body: question({ stream: true }) }), { line: 1, param: 'body.stream' }],
    [
      'a model nobody has',
      line({ custom_id: 'a', body: question({ model: 'gpt-9' }) }),
      { line: 1, code: 'model_not_found', param: 'body.model' },
    ],
    ['nothing', '\n\n', { line: null, code: 'empty_file' }],
  ])('with %s fails and names the line', async (_, text, fault) => {
    const done = await ended((await submit(text)).id);
    expect(done.status).toBe('failed');
    expect(done.errors).toMatchObject({ object: 'list', data: [fault] });
    expect(done.output_file_id).toBeNull();
  });

  it.each([
    ['an unknown file', { input_file_id: 'file-nothing' }, 404, 'id'],
    ['an endpoint nobody has', { endpoint: '/v1/images' }, 400, 'endpoint'],
    ['no completion window', { completion_window: 'soon' }, 400, 'completion_window'],
    ['metadata that is no text', { metadata: { a: 1 } }, 400, 'metadata.a'],
    ['a window nobody understands', { metadata: { x_window: 'tonight' } }, 400, 'metadata.x_window'],
    ['a deadline in the past', { metadata: { x_deadline: '2020-01-01T00:00Z' } }, 400, 'metadata.x_deadline'],
    ['a quality out of range', { metadata: { x_min_quality: '2' } }, 400, 'metadata.x_min_quality'],
    ['a model nobody has', { metadata: { x_model: 'gpt-9' } }, 404, 'model'],
  ])('with %s is refused', async (_, given, status, param) => {
    await expect(submit(lines(1), given as never)).rejects.toMatchObject({ status, param });
  });

  it('waits for its window, says so, and can be cancelled', async () => {
    const hour = (new Date().getUTCHours() + 12) % 24;
    const window = `${String(hour).padStart(2, '0')}:00-${String((hour + 1) % 24).padStart(2, '0')}:00 UTC`;
    const batch = await submit(lines(3), { metadata: { x_window: window } });
    let seen: Parsed;
    await until('the batch waits', async () => {
      seen = await openai.batches.retrieve(batch.id);
      return seen.status === 'in_progress' && seen.x_router.state?.startsWith('waits for its window');
    });
    await expect(openai.files.delete(seen.input_file_id)).rejects.toMatchObject({ status: 409 });
    const cancelled = await openai.batches.cancel(batch.id);
    expect(['cancelling', 'cancelled']).toContain(cancelled.status);
    const done = await ended(batch.id);
    expect(done).toMatchObject({
      status: 'cancelled',
      output_file_id: null,
      request_counts: { total: 3, completed: 0, failed: 0 },
    });
    await expect(openai.batches.cancel(batch.id)).rejects.toMatchObject({ status: 409 });
    await openai.files.delete(done.input_file_id);
  });

  it('that is cancelled in the middle keeps what was done', async () => {
    const batch = await submit(lines(40));
    await until(
      'two items',
      async () => ((await openai.batches.retrieve(batch.id)).request_counts?.completed ?? 0) >= 2,
    );
    await openai.batches.cancel(batch.id);
    const done = await ended(batch.id);
    expect(done.status).toBe('cancelled');
    const results = await contentOf(done.output_file_id);
    expect(results).toHaveLength(done.request_counts.completed);
    expect(done.request_counts.completed).toBeLessThan(40);
  });

  it('expires at its deadline: what is left is named in the error file', async () => {
    const batch = await submit(lines(300), { completion_window: '2s' as '24h' });
    const done = await ended(batch.id);
    expect(done.status).toBe('expired');
    const results = await contentOf(done.output_file_id);
    const errors = await contentOf(done.error_file_id);
    expect(results.length + errors.length).toBe(300);
    expect(errors[0]).toMatchObject({ response: null, error: { code: 'batch_expired' } });
    // There was no time for the better model, and answers of the other one say so.
    const fellBack = results.filter((result) => result.response.body.model === 'tiny');
    const said = fellBack.filter(({ response }) => response.body.x_router.instead_of === 'demo-4b');
    expect(said.length > 0 || fellBack.length === 0).toBe(true);
    const ids = [...results, ...errors].map((row) => row.custom_id);
    expect(new Set(ids).size).toBe(300);
  });

  it('that no model here can do ends at once, and says why', async () => {
    const text = line({ custom_id: 'e', url: '/v1/embeddings', body: { input: 'a text' } });
    const done = await ended((await submit(text, { endpoint: '/v1/embeddings' })).id);
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 1, completed: 0, failed: 1 } });
    const [{ response }] = await contentOf(done.error_file_id);
    expect(response).toMatchObject({ status_code: 400, body: { error: { message: expect.any(String) } } });
  });

  it('runs other endpoints in their own language', async () => {
    const body = { model: 'tiny', input: 'Who are you?' };
    const done = await ended(
      (await submit(line({ custom_id: 'r', url: '/v1/responses', body }), { endpoint: '/v1/responses' })).id,
    );
    const [result] = await contentOf(done.output_file_id);
    expect(result.response.body).toMatchObject({ object: 'response', status: 'completed' });
  });

  it('is listed page by page, newest first', async () => {
    expectBatchSchema('ListBatchesResponse', await (await fetch(`${gateway.url}/v1/batches?limit=3`)).json());
    const seen: string[] = [];
    for await (const batch of openai.batches.list({ limit: 5 })) seen.push(batch.id);
    expect(seen.length).toBeGreaterThan(10);
    expect(new Set(seen).size).toBe(seen.length);
    const created = (await openai.batches.list({ limit: 100 })).data.map((batch) => batch.created_at);
    expect(created).toEqual(created.toSorted((a, b) => b - a));
  });
});
