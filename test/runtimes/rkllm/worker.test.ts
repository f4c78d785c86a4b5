import { describe, expect, it } from 'vitest';
import { contentOf, eventsOf, startNpu, talk, VERSIONS } from './npu-bed.ts';

describe.each(VERSIONS)('a worker on runtime %s', (version) => {
  it("answers whole, with the library's own figures", async () => {
    const npu = await startNpu({ version, standIn: { prefill_ms: 1, decode_ms: 4 } });
    const reply = await npu.ask({});
    expect(reply).toMatchObject({ status: 200, type: 'application/json', error: undefined });
    const body = JSON.parse(reply.text);
    expect(body.choices[0]).toMatchObject({
      message: { role: 'assistant', content: 'Hello from the simulated NPU.' },
      finish_reason: 'stop',
    });
    expect(body.usage.completion_tokens).toBe(6);
    expect(body.timings.prompt_ms).toBeGreaterThanOrEqual(body.timings.prompt_n * 1);
    expect(body.timings.predicted_ms).toBeGreaterThanOrEqual(5 * 4);
  });

  it('runs a simulated model at the speed of a published table, or a part of it', async () => {
    // Qwen3-0.6B on RK3588, runtime 1.3.0: first token of 128 after 199 ms, 32.9 tokens per second.
    const npu = await startNpu({ version, standIn: { ttft_ms: 199, tokens_per_s: 32.9, scale: 0.2, repeat: 3 } });
    const { timings } = JSON.parse((await npu.ask({})).text);
    const [prefillMs, tokenMs] = [(timings.prompt_n * 0.2 * 199) / 128, (0.2 * 1000) / 32.9];
    expect(timings.prompt_ms).toBeGreaterThan(prefillMs * 0.95);
    expect(timings.prompt_ms).toBeLessThan(prefillMs * 4);
    expect(timings.predicted_per_token_ms).toBeGreaterThan(tokenMs * 0.9);
    expect(timings.predicted_per_token_ms).toBeLessThan(tokenMs * 4);
  });

  it('streams a chunk per token as they come', async () => {
    const npu = await startNpu({ version, standIn: { decode_ms: 5 } });
    const { text, type } = await npu.ask({ stream: true, stream_options: { include_usage: true } });
    expect(type).toBe('text/event-stream');
    const events = eventsOf(text);
    expect(events[0].choices[0].delta).toMatchObject({ role: 'assistant' });
    expect(events.slice(1, 7).map((event) => event.choices[0].delta.content)).toEqual([
      'Hello',
      ' from',
      ' the',
      ' simulated',
      ' NPU',
      '.',
    ]);
    expect(events[7].choices[0].finish_reason).toBe('stop');
    expect(events[8].usage.completion_tokens).toBe(6);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('loads with the parameters the policy names', async () => {
    const npu = await startNpu({
      version,
      model: {
        settings: { context: 1024, cpuMask: 0xf0, embedFlash: true, baseDomainId: 1 },
        sampling: { temperature: 0.6, top_k: 20, top_p: 0.95 },
      },
    });
    await npu.ask({});
    expect(npu.calls('init')).toEqual([
      expect.objectContaining({
        abi: version === '1.2.3' ? 12 : 13,
        max_context_len: 1024,
        max_new_tokens: 1024,
        top_k: 20,
        top_p: 0.95,
        temperature: 0.6,
        repeat_penalty: 1.1,
        n_keep: -1,
        is_async: 0,
        skip_special_token: 1,
        base_domain_id: 1,
        embed_flash: 1,
        enabled_cpus_num: 4,
        enabled_cpus_mask: 0xf0,
        n_batch: 1,
      }),
    ]);
  });

  it('renders the conversation itself and has the library wrap nothing around it', async () => {
    const npu = await startNpu({ version });
    await npu.ask({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ],
    });
    expect(npu.calls('set_chat_template')).toEqual([
      { call: 'set_chat_template', system: '', prefix: '', postfix: '' },
    ]);
    const [run] = npu.calls('run');
    expect(run.prompt).toMatch(/^<\|im_start\|>system\nBe brief\.<\|im_end\|>\n<\|im_start\|>user\nHi<\|im_end\|>\n/);
    expect(run).toMatchObject({ mode: 0, role: 'user' });
  });

  it('puts characters together that come in single bytes', async () => {
    const answer = 'Grüße| 世界| 🙂|!';
    const npu = await startNpu({ version, standIn: { answer, split_utf8: 1 } });
    expect(contentOf((await npu.ask({ stream: true })).text)).toBe('Grüße 世界 🙂!');
  });

  it('waits for the rest where the library says WAITING without text', async () => {
    const npu = await startNpu({ version, standIn: { answer: 'ä|世|🙂', split_utf8: 1, waiting: 1 } });
    expect(contentOf((await npu.ask({ stream: true })).text)).toBe('ä世🙂');
  });

  it('takes callbacks from a thread of the library', async () => {
    const npu = await startNpu({ version, standIn: { thread: 'foreign', decode_ms: 1 } });
    expect(contentOf((await npu.ask({ stream: true })).text)).toBe('Hello from the simulated NPU.');
  });

  it('gives the library a stack of megabytes, where the usual 128 KiB would end it', async () => {
    const npu = await startNpu({ version, standIn: { stack_kib: 8192 } });
    expect((await npu.ask({})).status).toBe(200);
  });

  it('reads a prompt of a megabyte whole', async () => {
    const npu = await startNpu({ version, standIn: { context: 1_000_000 } });
    const reply = await npu.ask({ messages: [{ role: 'user', content: 'x'.repeat(2 ** 20) }] });
    expect(JSON.parse(reply.text).timings.prompt_n).toBeGreaterThan(2 ** 18);
  });

  it('stops after max_tokens and says so', async () => {
    const npu = await startNpu({ version, standIn: { answer: 'a|b|c|d|e|f', repeat: 100, decode_ms: 2 } });
    const body = JSON.parse((await npu.ask({ max_tokens: 4 })).text);
    expect(body.choices[0]).toMatchObject({ message: { content: 'abcd' }, finish_reason: 'length' });
    expect(body.usage.completion_tokens).toBe(4);
    const [run] = npu.calls('run');
    expect(run.max_new_tokens).toBe(version === '1.2.3' ? -1 : 4);
    expect(npu.calls('abort')).toHaveLength(version === '1.2.3' ? 1 : 0);
  });

  it('ends at a stop string, also one split over tokens', async () => {
    const npu = await startNpu({ version, standIn: { answer: 'one| tw|o th|ree', repeat: 50, decode_ms: 2 } });
    const body = JSON.parse((await npu.ask({ stop: ['two'] })).text);
    expect(body.choices[0]).toMatchObject({ message: { content: 'one ' }, finish_reason: 'stop' });
    expect(npu.calls('abort').length).toBeGreaterThan(0);
  });

  it('shows thoughts as reasoning_content', async () => {
    const npu = await startNpu({ version, standIn: { answer: '<thi|nk>let me| see</thi|nk>\\n\\nYes' } });
    const { message } = JSON.parse((await npu.ask({})).text).choices[0];
    expect(message).toMatchObject({ reasoning_content: 'let me see', content: 'Yes' });
  });

  it('shows tool calls as such, split over tokens or not', async () => {
    const answer = '<tool|_call>\\n{"name": "wea|ther", "argu|ments": {"city": "Ulm"}}\\n</tool|_call>';
    const npu = await startNpu({ version, standIn: { answer } });
    const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];
    const [choice] = JSON.parse((await npu.ask({ tools })).text).choices;
    expect(choice.finish_reason).toBe('tool_calls');
    expect(choice.message.tool_calls[0].function.name).toBe('weather');
    expect(JSON.parse(choice.message.tool_calls[0].function.arguments)).toEqual({ city: 'Ulm' });
    expect(npu.calls('run')[0].prompt).toContain('"name": "weather"');
  });

  it("uses the request's sampling where the runtime takes it per run, and tells where not", async () => {
    const npu = await startNpu({ version, model: { sampling: { temperature: 0.6, top_k: 20 } } });
    const reply = await npu.ask({ temperature: 0.2, top_k: 20, seed: 7 });
    const [run] = npu.calls('run');
    if (version === '1.2.3') {
      expect(reply.ignored).toEqual(['temperature', 'seed']);
      expect(run.temperature).toBe(0.6);
    } else {
      expect(reply.ignored).toEqual(['seed']);
      expect(run).toMatchObject({ temperature: 0.2, top_k: 20 });
    }
  });

  it('goes on from the KV cache when the conversation goes on, and clears it otherwise', async () => {
    // A family whose template adds nothing to an answer that it later takes away, as Qwen3's does with thoughts.
    const npu = await startNpu({ version, standIn: { model: 'qwen2.5-1.5b', answer: 'Yes' } });
    const first = [{ role: 'user', content: 'Is it?' }];
    await npu.ask({ messages: first });
    expect(npu.calls('clear')).toHaveLength(1);
    await npu.ask({
      messages: [...first, { role: 'assistant', content: 'Yes' }, { role: 'user', content: 'Sure?' }],
    });
    expect(npu.calls('clear')).toHaveLength(1);
    expect(npu.calls('run')[1].prompt).toBe('<|im_end|>\n<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\n');
    await npu.ask({ messages: [{ role: 'user', content: 'Another one' }] });
    expect(npu.calls('clear')).toHaveLength(2);
    expect(npu.calls('run').map((run) => run.keep_history)).toEqual([1, 1, 1]);
  });

  it('tells what the KV cache held of a conversation that goes on, without a tokenizer', async () => {
    const npu = await startNpu({ version, standIn: { model: 'qwen2.5-1.5b', answer: 'Yes' } });
    const timingsOf = async (messages: object[]) => JSON.parse((await npu.ask({ messages })).text).timings;
    const asked = [{ role: 'user', content: 'Is it?' }];
    const first = await timingsOf(asked);
    expect(first.cache_n).toBe(0);
    const answered = [...asked, { role: 'assistant', content: 'Yes' }, { role: 'user', content: 'Sure?' }];
    const second = await timingsOf(answered);
    expect(second.cache_n).toBe(first.prompt_n + first.predicted_n);
    const third = await timingsOf([
      ...answered,
      { role: 'assistant', content: 'Yes' },
      { role: 'user', content: 'So?' },
    ]);
    expect(third.cache_n).toBe(second.cache_n + second.prompt_n + second.predicted_n);
    expect((await timingsOf([{ role: 'user', content: 'Another one' }])).cache_n).toBe(0);
  });

  it('frees the NPU when a request is aborted, awaiting FINISH', async () => {
    const npu = await startNpu({ version, standIn: { repeat: 1000, decode_ms: 5 } });
    const lease = await npu.acquire();
    const { exchange, began } = talk(lease, { stream: true });
    await began;
    exchange.abort();
    await lease.release('aborted');
    expect(npu.calls('abort').length).toBeGreaterThan(0);
    expect(npu.view()).toMatchObject({ residency: { kind: 'ready' }, running: 0 });
    expect((await npu.ask({ max_tokens: 1 })).status).toBe(200);
    expect(npu.calls('init')).toHaveLength(1);
  });

  it('frees the NPU when a request is aborted while the prompt is read', async () => {
    const npu = await startNpu({ version, standIn: { prefill_ms: 10_000 } });
    const lease = await npu.acquire();
    const { exchange } = talk(lease, { stream: true });
    exchange.abort();
    await lease.release('aborted');
    expect(npu.view()).toMatchObject({ residency: { kind: 'ready' }, running: 0 });
  });

  it('unloads in order: nothing runs, then destroy', async () => {
    const npu = await startNpu({ version });
    await npu.ask({});
    await npu.supervisor.stop(0);
    expect(npu.calls('destroy')).toEqual([{ call: 'destroy', running: 0 }]);
    expect(npu.logs().at(-1)).toMatch(/exited with code 0/);
  });

  it('ends a running answer before it unloads', async () => {
    const npu = await startNpu({ version, standIn: { repeat: 1000, decode_ms: 5 } });
    const { began } = talk(await npu.acquire(), { stream: true });
    await began;
    await npu.supervisor.stop(0);
    expect(
      npu
        .calls()
        .map(({ call }) => call)
        .slice(-2),
    ).toEqual(['abort', 'destroy']);
    expect(npu.calls('destroy')).toEqual([{ call: 'destroy', running: 0 }]);
  });
});
