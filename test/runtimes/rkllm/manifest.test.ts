import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRkllmAdapter } from '../../../runtimes/rkllm/adapter.ts';
import { buildSimulator } from '../../../runtimes/rkllm/simulator/build-simulator.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { runtimeId } from '../../../src/core/ids.ts';
import { modelPolicy } from '../../helpers/policy-values.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';
import { startNpu, talk, writeStandIn } from './npu-bed.ts';

/** Words split at white space; what is not in the vocabulary is one token. */
const TOKENIZER = {
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: null,
  model: { type: 'WordPiece', unk_token: '?', continuing_subword_prefix: '##', vocab: { '?': 0, hello: 1, there: 2 } },
};

const signal = new AbortController().signal;
const request = (content: string) => Buffer.from(JSON.stringify({ messages: [{ role: 'user', content }] }));

/** A loaded model, with its tokenizer beside it or not. */
async function loaded(given: { tokenizer: boolean; settings?: object; standIn?: Record<string, string | number> }) {
  const npu = await startNpu({ model: { settings: given.settings ?? {} }, standIn: given.standIn ?? {} });
  if (given.tokenizer) writeFileSync(join(npu.folder, 'npu.tokenizer.json'), JSON.stringify(TOKENIZER));
  const lease = await npu.acquire();
  return { npu, lease, count: (content: string) => lease.connection.countTokens?.(request(content), signal) };
}

describe('what a load tells', () => {
  it('is the context it was given and that the template thinks, with where that is from', async () => {
    const { npu, lease } = await loaded({ tokenizer: false, settings: { context: 2048 } });
    expect(lease.connection.manifest?.()).toEqual({
      contextTokens: 2048,
      capabilities: { thinking: true },
      source: 'load of the model by librkllmrt',
    });
    await lease.release('ok');
    expect(npu.view()?.facts).toMatchObject({
      contextTokens: 2048,
      capabilitySources: {
        thinking: 'load of the model by librkllmrt',
        jsonSchema: 'RKLLM has no grammars',
        embeddings: 'setting embeddings',
      },
    });
  });

  it('is that a template without thoughts does not think, over the guess before', async () => {
    const npu = await startNpu({ standIn: { model: 'qwen2.5-1.5b' } });
    expect(npu.view()?.facts?.capabilities.thinking).toBe(true);
    const lease = await npu.acquire();
    await lease.release('ok');
    expect(npu.view()?.facts?.capabilities.thinking).toBe(false);
    await npu.supervisor.unload(lease.model);
    expect(npu.view()?.facts?.capabilities.thinking).toBe(false);
  });

  it("says nothing of thinking under the library's own template, which nobody sees", async () => {
    const { lease } = await loaded({ tokenizer: false, settings: { template: 'runtime' } });
    expect(lease.connection.manifest?.()?.capabilities).toEqual({});
    await lease.release('ok');
  });

  it('knows of a cache only where prompts are rendered here', async () => {
    const rendered = await startNpu();
    expect(rendered.view()?.facts?.prefixCache).toMatchObject({ slots: 1, reuse: 'append' });
    const hidden = await startNpu({ model: { settings: { template: 'runtime' } } });
    expect(hidden.view()?.facts?.prefixCache).toBeUndefined();
  });
});

describe('countTokens', () => {
  it("counts a conversation by the model's template and tokenizer", async () => {
    const { lease, count } = await loaded({ tokenizer: true });
    const short = await count('hello');
    expect(short).toBeGreaterThan(1);
    expect(await count('hello there hello there')).toBe((short ?? 0) + 3);
    await lease.release('ok');
  });

  it('counts while the model answers somebody else', async () => {
    const { lease, count } = await loaded({
      tokenizer: true,
      standIn: { tokens_per_s: 20, answer: 'a|b|c|d|e|f|g|h' },
    });
    const expected = await count('hello');
    const running = talk(lease, { messages: [{ role: 'user', content: 'xyz' }], stream: true });
    await running.began;
    expect(await count('hello')).toBe(expected);
    expect((await running.whole).error).toBeUndefined();
    await lease.release('ok');
  });

  it('counts nothing without a tokenizer', async () => {
    const { lease, count } = await loaded({ tokenizer: false });
    expect(await count('hello')).toBeUndefined();
    await lease.release('ok');
  });
});

describe('tokenizer of a model', () => {
  it('is told by its file, the same for the same content', async () => {
    const folder = temporaryFolder();
    const adapter = createRkllmAdapter({ clock: systemClock });
    const runtime = {
      id: runtimeId('npu'),
      kind: 'rkllm',
      device: 'npu',
      binary: undefined,
      benchBinary: undefined,
      library: await buildSimulator('1.3.0'),
      settings: {},
    };
    const tokenizerOf = async (id: string, tokenizer?: object) => {
      const file = writeStandIn(join(folder, `${id}.rkllm`));
      if (tokenizer !== undefined) writeFileSync(join(folder, `${id}.tokenizer.json`), JSON.stringify(tokenizer));
      return (await adapter.inspect(modelPolicy(id, { file }), runtime)).facts?.tokenizer;
    };
    const one = await tokenizerOf('one', TOKENIZER);
    expect(one).toMatch(/^tokenizer\.json-[0-9a-f]{12}$/);
    expect(await tokenizerOf('two', TOKENIZER)).toBe(one);
    expect(await tokenizerOf('three', { ...TOKENIZER, version: '2.0' })).not.toBe(one);
    expect(await tokenizerOf('four')).toBeUndefined();
  });
});
