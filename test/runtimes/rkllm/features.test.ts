import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEADLINES } from '../../../runtimes/rkllm/deadlines.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';
import { until } from '../../helpers/until.ts';
import { hurriedClock } from '../../supervise/engine-bed.ts';
import { contentOf, startNpu, talk, VERSIONS } from './npu-bed.ts';

const CAPABLE = { capabilities: { embeddings: true } } as const;

describe.each(VERSIONS)('optional features on runtime %s', (version) => {
  it('embeds by the last hidden layer, length 1, the second text as well as the first', async () => {
    const npu = await startNpu({ version, model: CAPABLE });
    const lease = await npu.acquire();
    const { text } = await talk(lease, { input: ['one text', 'another text'] }, '/v1/embeddings').whole;
    await lease.release('ok');
    const { data, usage } = JSON.parse(text);
    expect(data).toHaveLength(2);
    for (const { embedding } of data) {
      expect(embedding).toHaveLength(64);
      expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
    }
    expect(data[0].embedding).not.toEqual(data[1].embedding);
    expect(usage.prompt_tokens).toBeGreaterThan(2);
    // Only since 1.3 may the library be told to free the rows.
    expect(npu.calls('rows').map(({ returned }) => returned)).toEqual(version === '1.2.3' ? [0, 0] : [2, 2]);
  });

  it('scores documents by the odds of yes', async () => {
    const npu = await startNpu({ version, model: { settings: { rerank: true } } });
    const lease = await npu.acquire();
    const { text } = await talk(lease, { query: 'what', documents: ['this', 'that'] }, '/v1/rerank').whole;
    await lease.release('ok');
    const { results } = JSON.parse(text);
    expect(results.map(({ index }: { index: number }) => index)).toEqual([0, 1]);
    for (const { relevance_score: score } of results) expect(score).toBeGreaterThan(0);
    for (const { relevance_score: score } of results) expect(score).toBeLessThan(1);
    expect(npu.calls('run').map(({ mode }) => mode)).toEqual([2, 2]);
  });

  it('answers a chat after an embedding from a clean cache', async () => {
    const npu = await startNpu({ version, model: CAPABLE });
    const lease = await npu.acquire();
    await talk(lease, { input: 'text' }, '/v1/embeddings').whole;
    const reply = await talk(lease, {}).whole;
    await lease.release('ok');
    expect(contentOf(reply.text)).toBe('Hello from the simulated NPU.');
  });

  it('loads LoRA adapters by name and uses the one a request asks for', async () => {
    const file = join(temporaryFolder(), 'poet.rkllm');
    writeFileSync(file, 'adapter');
    const npu = await startNpu({ version, model: { settings: { lora: { poet: file } } } });
    await npu.ask({ lora: 'poet' });
    await npu.ask({});
    expect(npu.calls('load_lora')).toEqual([expect.objectContaining({ name: 'poet', path: file, scale: 1 })]);
    expect(npu.calls('run').map(({ lora }) => lora)).toEqual(['poet', '']);
    expect((await npu.ask({ lora: 'painter' })).error).toMatchObject({ code: 'invalid_request' });
  });

  it('saves a system prompt once and spares its prefill from then on', async () => {
    const npu = await startNpu({ version, model: { settings: { promptCacheBytes: 1_000_000 } } });
    const ask = (content: string) =>
      npu.ask({
        messages: [
          { role: 'system', content: 'You are a long-winded butler. '.repeat(20) },
          { role: 'user', content },
        ],
      });
    const [first, second] = [await ask('Tea?'), await ask('Coffee?')].map(({ text }) => JSON.parse(text));
    expect(npu.calls('run').map(({ save_cache: saves }) => saves)).toEqual([1, 0, 0]);
    expect(npu.calls('load_prompt_cache')).toHaveLength(1);
    expect(readdirSync(join(npu.folder, 'prompt-cache', 'npu'))).toHaveLength(1);
    for (const { timings } of [first, second]) expect(timings.prompt_n).toBeLessThan(30);
  });

  it('lets the library template a turn, with tools and their results, where the policy says so', async () => {
    const answer = '<tool_call>|{"name": "clock", "arguments": {}}|</tool_call>';
    const npu = await startNpu({ version, standIn: { answer }, model: { settings: { template: 'runtime' } } });
    const tools = [{ type: 'function', function: { name: 'clock' } }];
    const question = [
      { role: 'system', content: 'Be exact.' },
      { role: 'user', content: 'What time is it?' },
    ];
    const call = JSON.parse((await npu.ask({ messages: question, tools })).text).choices[0].message;
    expect(npu.calls('set_chat_template')).toEqual([]);
    expect(npu.calls('set_function_tools')).toEqual([
      expect.objectContaining({ system: 'Be exact.', tag: 'tool_response', tools: JSON.stringify(tools) }),
    ]);
    const result = { role: 'tool', tool_call_id: call.tool_calls[0].id, content: '{"time":"noon"}' };
    await npu.ask({ messages: [...question, call, result], tools });
    expect(npu.calls('run').map(({ role }) => role)).toEqual(['user', 'tool']);
    expect(npu.calls('run')[1].prompt).toContain('[{"time":"noon"}]');
    expect(npu.calls('clear')).toHaveLength(1);
    const lost = await npu.ask({ messages: [{ role: 'user', content: 'Other' }, call, result], tools });
    expect(lost.error).toMatchObject({ code: 'unsupported_feature' });
  });
});

describe('an answer that must be JSON, from a model the policy trusts with it', () => {
  const TRUSTED = { capabilities: { jsonSchema: true } } as const;
  const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
  const fitting = { response_format: { type: 'json_schema', json_schema: { name: 'place', schema } } };

  it('is asked for in words and passed on when it fits', async () => {
    const npu = await startNpu({ model: TRUSTED, standIn: { answer: '{"ci|ty":"Ulm"}' } });
    expect(JSON.parse(contentOf((await npu.ask(fitting)).text))).toEqual({ city: 'Ulm' });
    expect(npu.calls('run')[0].prompt).toContain('Answer with one JSON object that fits this JSON schema');
  });

  it('is streamed in one piece, with the figures of the run', async () => {
    const npu = await startNpu({ model: TRUSTED, standIn: { answer: '{"ci|ty":"Ulm"}' } });
    const { text } = await npu.ask({ ...fitting, stream: true });
    expect(JSON.parse(contentOf(text))).toEqual({ city: 'Ulm' });
    expect(text).toMatch(/"timings":\{.*"predicted_n":2.*data: \[DONE\]\n\n$/s);
  });

  it.each([
    ['not JSON', 'Ulm is nice'],
    ['of another shape', '{"town":"Ulm"}'],
  ])('is asked for three times when it is %s, and then fails', async (_, answer) => {
    const npu = await startNpu({ model: TRUSTED, standIn: { answer } });
    const { error } = await npu.ask(fitting);
    expect(error).toMatchObject({
      code: 'runtime_failed',
      message: expect.stringContaining('no JSON that fits in 3 tries'),
    });
    expect(npu.calls('run').filter(({ prompt }) => prompt.includes('JSON'))).toHaveLength(3);
  });
});

describe('a worker that embeds on runtime 1.2.3', () => {
  it('makes way for a fresh one when it has grown beyond its bound, which is no crash', async () => {
    const npu = await startNpu({
      version: '1.2.3',
      model: CAPABLE,
      standIn: { leak_mib: 8 },
      // A load is not hurried, so its limit must not be.
      deps: { growthBytesMax: 60 * 2 ** 20, rules: { ...DEADLINES, loadFloorMs: 1_200_000 } },
      // Its memory is looked at every five seconds.
      clock: hurriedClock(50),
    });
    const embed = () => npu.ask({ input: 'text' }, undefined, '/v1/embeddings');
    await embed();
    const pid = npu.view()?.pid;
    // Growth counts from the end of the first of these; the next look at its memory after eight more sees enough.
    await until('it was replaced', async () => {
      await embed();
      return npu.states().includes('draining>stopped');
    });
    expect((await embed()).status).toBe(200);
    expect(npu.view()?.pid).not.toBe(pid);
    expect(npu.view()?.restarts).toBe(0);
  });
});

describe('what a running model tells of itself', () => {
  it('are the versions and limits of its log and how its prompt cache does', async () => {
    const npu = await startNpu({ version: '1.2.3', model: { settings: { promptCacheBytes: 1_000_000 } } });
    expect(npu.view()?.details).toBeUndefined();
    const system = { role: 'system', content: 'You are a long-winded butler. '.repeat(20) };
    for (const content of ['Tea?', 'Coffee?']) await npu.ask({ messages: [system, { role: 'user', content }] });
    expect(npu.view()?.details).toMatchObject({
      runtime: '1.2.3',
      driver: '0.9.8',
      platform: 'rk3588',
      toolkit: '1.2.1',
      max_context_limit: 4096,
      npu_core_num: 3,
      dtype: 'w8a8',
      prompt_cache: { hits: 1, misses: 1, hit_rate: 0.5 },
    });
  });
});

describe('features that are off', () => {
  it.each([
    ['/v1/embeddings', { input: 'text' }],
    ['/v1/rerank', { query: 'a', documents: ['b'] }],
  ])('%s is refused with the reason', async (path, body) => {
    const npu = await startNpu();
    const lease = await npu.acquire();
    const { error } = await talk(lease, body, path).whole;
    await lease.release('ok');
    expect(error).toMatchObject({ code: 'unsupported_feature', message: expect.stringContaining('npu runs on RKLLM') });
  });

  it.each([
    ['response_format', { response_format: { type: 'json_object' } }],
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
  ])('%s is refused, naming the field', async (param, body) => {
    const npu = await startNpu();
    expect((await npu.ask(body)).error).toMatchObject({ code: 'unsupported_feature', details: { param } });
  });
});
