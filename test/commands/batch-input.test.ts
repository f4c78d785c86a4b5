import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { openInput, type PromptRules, promptsToJsonl } from '../../src/commands/batch-input.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

function file(name: string, content: string | Buffer): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

const REQUEST = '{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{}}';

describe('openInput', () => {
  it.each([
    ['a name', 'a.jsonl', 'nonsense', 'jsonl', undefined],
    ['another name', 'a.NDJSON', `\n${REQUEST}\n`, 'jsonl', '/v1/embeddings'],
    ['a first line that is a request', 'a.txt', `\n\uFEFF${REQUEST}\n`, 'jsonl', undefined],
    ['a request under a name of JSON', 'a.json', REQUEST, 'jsonl', '/v1/embeddings'],
    ['any other text', 'a.txt', 'Who are you?\n', 'text', undefined],
    ['a prompt that looks like JSON', 'prompts', '{"what":"is this?"}\n', 'text', undefined],
    ['nothing', 'a.txt', '', 'text', undefined],
  ])('knows what a file holds by %s', async (_, name, content, kind, endpoint) => {
    const input = await openInput(file(name, content), undefined);
    expect(input).toMatchObject({ kind, endpoint, name, bytes: Buffer.byteLength(content) });
    expect(await text(input.pieces)).toBe(content);
  });

  it('believes what it is told', async () => {
    expect((await openInput(file('a.jsonl', REQUEST), 'text')).kind).toBe('text');
  });

  it('leaves a byte order mark out, which JSON does not allow', async () => {
    const { endpoint, pieces } = await openInput(file('a.jsonl', `\uFEFF${REQUEST}\n`), undefined);
    expect(endpoint).toBe('/v1/embeddings');
    expect(await text(pieces)).toBe(`${REQUEST}\n`);
  });

  it('gives a long first line back whole', async () => {
    const content = `${'x'.repeat(300_000)}\nb\n`;
    const { kind, pieces } = await openInput(file('a', content), undefined);
    expect(kind).toBe('text');
    expect((await text(pieces)) === content).toBe(true);
  });

  it('refuses JSON that is no batch, and what cannot be read', async () => {
    await expect(openInput(file('a.json', '[\n1]'), undefined)).rejects.toThrow('does not begin with a request');
    await expect(openInput('/nowhere/a.jsonl', undefined)).rejects.toThrow('cannot read /nowhere/a.jsonl: ENOENT');
    await expect(openInput('/tmp', undefined)).rejects.toThrow('cannot read /tmp: it is a folder');
  });
});

async function lines(content: string, given: Partial<PromptRules> = {}): Promise<string[]> {
  const pieces = (async function* () {
    yield Buffer.from(content);
  })();
  const rules = { endpoint: '/v1/chat/completions', system: undefined, maxTokens: undefined, ...given } as const;
  return (await text(promptsToJsonl({ name: 'prompts.txt', pieces }, rules))).split('\n');
}

describe('promptsToJsonl', () => {
  it('keeps every prompt on its line', async () => {
    const [first, second, third, end] = await lines('One "quoted"\n  \nThree\n');
    expect(JSON.parse(first ?? '')).toEqual({
      custom_id: 'line-1',
      method: 'POST',
      url: '/v1/chat/completions',
      body: { model: 'auto', messages: [{ role: 'user', content: 'One "quoted"' }] },
    });
    expect(second).toBe('');
    expect(JSON.parse(third ?? '')).toMatchObject({ custom_id: 'line-3' });
    expect(end).toBe('');
  });

  it.each([
    [
      '/v1/chat/completions',
      {
        messages: [
          { role: 'system', content: 'Be brief' },
          { role: 'user', content: 'x' },
        ],
        max_tokens: 9,
      },
    ],
    ['/v1/responses', { input: 'x', instructions: 'Be brief', max_output_tokens: 9 }],
    ['/v1/completions', { prompt: 'x', max_tokens: 9 }],
    ['/v1/embeddings', { input: 'x' }],
  ] as const)('writes the body of %s', async (endpoint, body) => {
    const [line = ''] = await lines('x', { endpoint, system: 'Be brief', maxTokens: 9 });
    expect(JSON.parse(line)).toEqual({
      custom_id: 'line-1',
      method: 'POST',
      url: endpoint,
      body: { model: 'auto', ...body },
    });
  });

  it('hands over fifty thousand prompts in pieces', async () => {
    const all = await lines(Array.from({ length: 50_000 }, (_, n) => `prompt ${n + 1}`).join('\n'));
    expect(all).toHaveLength(50_001);
    expect(JSON.parse(all[49_999] ?? '').custom_id).toBe('line-50000');
  });
});
