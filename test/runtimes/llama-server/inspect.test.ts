import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createFileInspector } from '../../../runtimes/llama-server/inspect.ts';
import type { ModelPolicy } from '../../../src/core/policy.ts';
import type { ModelFacts } from '../../../src/core/profile.ts';
import { buildChainModel } from '../../../src/demo/chain-model.ts';
import { type GgufValue, writeGguf } from '../../../src/demo/gguf-writer.ts';
import { tiers } from '../../../src/demo/tiers.ts';
import { modelPolicy } from '../../helpers/policy-values.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const PLAIN = "{% for message in messages %}{{ message.role + ': ' + message.content }}{% endfor %}";
const THINKING = `${PLAIN}{% if enable_thinking is false %}<think></think>{% endif %}`;

/** Writes a real model file; `metadata` is laid over the tiny tier's own, undefined takes a key away. */
async function writeModel(metadata: Record<string, GgufValue | undefined>): Promise<string> {
  const file = join(temporaryFolder(), 'model.gguf');
  const content = buildChainModel(tiers.tiny);
  const merged = Object.entries({ ...content.metadata, ...metadata });
  const kept = merged.filter((pair): pair is [string, GgufValue] => pair[1] !== undefined);
  await writeGguf(file, { ...content, metadata: Object.fromEntries(kept) });
  return file;
}

const text = (value: string): GgufValue => ({ kind: 'string', value });
const number = (value: number): GgufValue => ({ kind: 'uint32', value });

async function inspect(
  metadata: Record<string, GgufValue | undefined>,
  given: Partial<ModelPolicy> = {},
): Promise<ModelFacts> {
  const file = await writeModel(metadata);
  const inspection = await createFileInspector()(modelPolicy('m', { file, ...given }));
  if (inspection.kind !== 'facts') throw new Error(JSON.stringify(inspection));
  return inspection.facts;
}

const withTemplate = (template: string) => ({ 'tokenizer.chat_template': text(template) });

describe('capabilities of a file', () => {
  it.each([
    ['the demo template', {}, {}, true, 'chat template mentions tools'],
    ['a template without tools', withTemplate(PLAIN), {}, false, 'chat template does not mention tools'],
    ['no template', { 'tokenizer.chat_template': undefined }, {}, false, 'the file has no chat template'],
    ['jinja off', {}, { jinja: false }, false, 'jinja is off, and only its templates take tools'],
  ])('knows of tools with %s', async (_, metadata, settings, can, source) => {
    const { capabilities, capabilitySources } = await inspect(metadata, { settings });
    expect(capabilities.tools).toBe(can);
    expect(capabilitySources?.tools).toBe(source);
  });

  it.each([
    ['a template that thinks', THINKING, undefined, true, 'chat template mentions thinking'],
    ['a template that does not', PLAIN, undefined, false, 'chat template does not mention thinking'],
    ['a budget of 0', THINKING, 0, false, 'reasoning_budget is 0'],
  ])('knows of thinking with %s', async (_, template, reasoningBudget, can, source) => {
    const settings = reasoningBudget === undefined ? {} : { reasoningBudget };
    const { capabilities, capabilitySources } = await inspect(withTemplate(template), { settings });
    expect(capabilities.thinking).toBe(can);
    expect(capabilitySources?.thinking).toBe(source);
  });

  it("reads the template of the settings in place of the file's own", async () => {
    const chatTemplateFile = join(temporaryFolder(), 'template.jinja');
    writeFileSync(chatTemplateFile, PLAIN);
    expect((await inspect({}, { settings: { chatTemplateFile } })).capabilities.tools).toBe(false);
  });

  it('makes a model unusable whose template file is missing, and names it', async () => {
    const file = await writeModel({});
    const settings = { chatTemplateFile: '/nowhere/template.jinja' };
    const inspection = await createFileInspector()(modelPolicy('m', { file, settings }));
    expect(inspection).toMatchObject({
      kind: 'unusable',
      availability: { reason: expect.stringContaining('/nowhere/template.jinja') },
    });
  });

  it('knows of embeddings only where the server is started for them, and of models made for them', async () => {
    const made = await inspect({ 'llama.pooling_type': number(1) });
    expect(made.capabilities.embeddings).toBe(false);
    expect(made.capabilitySources?.embeddings).toBe(
      'not started with --embeddings; the model is made for it (pooling mean)',
    );
    for (const settings of [{ embeddings: true }, { extraArgs: ['--embeddings'] }]) {
      const { capabilities } = await inspect({}, { settings });
      expect(capabilities).toMatchObject({ embeddings: true, rerank: false, generation: false });
    }
  });

  it('knows of scores only where the server is started for them', async () => {
    expect((await inspect({})).capabilities).toMatchObject({ rerank: false, generation: true });
    const { capabilities } = await inspect({}, { settings: { rerank: true }, capabilities: { generation: true } });
    expect(capabilities).toMatchObject({ rerank: true, embeddings: false, generation: true });
  });

  it("counts the operator's word over its own and says so", async () => {
    const { capabilities, capabilitySources } = await inspect(withTemplate(PLAIN), { capabilities: { tools: true } });
    expect(capabilities.tools).toBe(true);
    expect(capabilitySources?.tools).toBe('declared in the policy');
  });

  it('gives every capability a source', async () => {
    const { capabilities, capabilitySources } = await inspect({});
    expect(Object.keys(capabilitySources ?? {}).toSorted()).toEqual(Object.keys(capabilities).toSorted());
  });
});

describe('tokenizer of a file', () => {
  it('is the same for files with the same vocabulary and another one for others', async () => {
    const one = await inspect({ 'general.name': text('one') });
    const two = await inspect(withTemplate(PLAIN));
    const other = await inspect({ 'tokenizer.ggml.pre': text('another') });
    expect(one.tokenizer).toMatch(/^\w+-[0-9a-f]{12}$/);
    expect(two.tokenizer).toBe(one.tokenizer);
    expect(other.tokenizer).not.toBe(one.tokenizer);
  });
});

describe('prefix cache of a model', () => {
  it('has the slots and the cap of the settings, and one layer of f16 keys and values per token', async () => {
    const settings = { parallel: 3, cacheRamBytes: 1_000_000 };
    expect((await inspect({}, { settings })).prefixCache).toEqual({
      slots: 3,
      ramBytes: 1_000_000,
      bytesPerToken: (64 + 64) * 2,
      reuse: 'anywhere',
      checkpointStep: 8_192,
    });
  });

  it.each([
    ['plain attention', {}, {}, 'anywhere'],
    ['recurrent layers', { 'llama.ssm.state_size': number(128) }, {}, 'checkpoints'],
    ['a hybrid', { 'llama.full_attention_interval': number(4) }, {}, 'checkpoints'],
    ['a sliding window', { 'llama.attention.sliding_window': number(512) }, {}, 'checkpoints'],
    [
      'a sliding window kept whole',
      { 'llama.attention.sliding_window': number(512) },
      { extraArgs: ['--swa-full'] },
      'anywhere',
    ],
    ['a hybrid without checkpoints', { 'llama.ssm.conv_kernel': number(4) }, { contextCheckpoints: 0 }, 'append'],
  ])('can be used again as %s allow', async (_, metadata, settings, reuse) => {
    expect((await inspect(metadata, { settings })).prefixCache?.reuse).toBe(reuse);
  });

  it('has checkpoints at the distance of the settings', async () => {
    const facts = await inspect({ 'llama.ssm.state_size': number(128) }, { settings: { checkpointMinStep: 256 } });
    expect(facts.prefixCache).toMatchObject({ reuse: 'checkpoints', checkpointStep: 256 });
  });
});
