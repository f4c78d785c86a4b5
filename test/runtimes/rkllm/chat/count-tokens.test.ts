import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadPromptTokenizer } from '../../../../runtimes/rkllm/chat/count-tokens.ts';
import { temporaryFolder } from '../../../helpers/temporary-folder.ts';

/** Words split at white space, one marker that is never split, and a start token that must not be added. */
const TOKENIZER = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: [
    {
      id: 3,
      content: '<|im_end|>',
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    },
    { id: 4, content: '<s>', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
  ],
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { '<s>': { id: '<s>', ids: [4], tokens: ['<s>'] } },
  },
  decoder: null,
  model: { type: 'WordPiece', unk_token: '?', continuing_subword_prefix: '##', vocab: { '?': 0, hello: 1, there: 2 } },
};

function model(files: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return join(folder, 'm.rkllm');
}

describe('loadPromptTokenizer', () => {
  it('reads special tokens in the text as such and adds none', async () => {
    const tokenizer = await loadPromptTokenizer(model({ 'tokenizer.json': JSON.stringify(TOKENIZER) }));
    expect([...(tokenizer?.encode('hello there<|im_end|>\nwhat') ?? [])]).toEqual([1, 2, 3, 0]);
    expect(tokenizer?.count('hello there')).toBe(2);
    expect(tokenizer?.count('')).toBe(0);
  });

  it('is undefined where no tokenizer lies beside the model', async () => {
    expect(await loadPromptTokenizer(model({}))).toBeUndefined();
  });

  it('names a file that cannot be used', async () => {
    await expect(loadPromptTokenizer(model({ 'tokenizer.json': '{}' }))).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(/tokenizer\.json cannot be used/),
    });
  });
});
