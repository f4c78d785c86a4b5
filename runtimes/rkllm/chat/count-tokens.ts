import { Tokenizer } from '@huggingface/tokenizers';
import { GatewayError, messageOf } from '../../../src/core/errors.ts';
import { readBesideModel } from '../files/beside-model.ts';

/** A model's own tokenizer. */
export type PromptTokenizer = {
  /** File it was read from. */
  readonly origin: string;
  /** Tokens of a rendered prompt: special tokens written in the text are read as such, none is added. */
  readonly encode: (prompt: string) => Int32Array;
  readonly count: (prompt: string) => number;
};

/**
 * Reads `tokenizer.json` beside a model; undefined where there is none, and the router's ratio of characters to tokens
 * is then all there is. Large vocabularies take about a second: read it once per model.
 * Throws `invalid_config` where the file cannot be used, because a count that is wrong is worse than none.
 */
export async function loadPromptTokenizer(modelFile: string): Promise<PromptTokenizer | undefined> {
  const file = await readBesideModel(modelFile, 'tokenizer.json');
  if (file === undefined) return undefined;
  const config = await readBesideModel(modelFile, 'tokenizer_config.json');
  const tokenizer = createTokenizer(file.path, file.text, config?.text ?? '{}');
  const encode = (prompt: string): Int32Array =>
    Int32Array.from(tokenizer.encode(prompt, { add_special_tokens: false }).ids);
  return { origin: file.path, encode, count: (prompt) => encode(prompt).length };
}

function createTokenizer(path: string, text: string, config: string): Tokenizer {
  try {
    return new Tokenizer(JSON.parse(text), JSON.parse(config));
  } catch (cause) {
    throw new GatewayError(
      'invalid_config',
      `${path} cannot be used as a tokenizer: ${messageOf(cause)}; fetch it again from the model's page or remove it`,
      { cause },
    );
  }
}
