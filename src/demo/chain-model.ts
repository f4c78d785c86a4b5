import { buildChains, type Chains, chainPieces, fallbackLogit } from './chains.ts';
import { chatTemplate, controlTokens } from './chat-template.ts';
import {
  type GgufContent,
  type GgufTensor,
  type GgufValue,
  type TensorFill,
  type TensorType,
  writeGguf,
} from './gguf-writer.ts';
import { buildVocabulary, tokenKindNumber, type Vocabulary } from './vocabulary.ts';

/** What a chain model says and how heavy it is. */
export type ChainModelOptions = {
  /** Shown as the model's name in its metadata. */
  readonly name: string;
  /** What it answers: plain words separated by single spaces. */
  readonly sentence: string;
  readonly layers: number;
  /** Width; a multiple of 64 (the size of a head) and at least 64. */
  readonly embedding: number;
  /** Width of the feed-forward part; a multiple of the weights' block (1, 32 or 256). */
  readonly feedForward: number;
  /** Type of the heavy weights. */
  readonly weights: TensorType;
  /** Longest context the metadata promise; 8192 when missing. */
  readonly contextTokens?: number;
  /** Jinja chat template in place of the demo's own. */
  readonly chatTemplate?: string;
  /** It never ends its turn and says its sentence again and again, as broken conversions do. */
  readonly neverEnds?: true;
  /** Kept in the metadata (`sluice.stamp`), so that a reader can tell which version of a model a file holds. */
  readonly stamp?: string;
};

const headSize = 64;

/** Writes a chain model's file; returns its size in bytes. Throws `RangeError` for widths llama.cpp cannot load. */
export const writeChainModel = (path: string, options: ChainModelOptions): Promise<number> =>
  writeGguf(path, buildChainModel(options));

/**
 * A model of the llama architecture that says one fixed sentence, whatever it is asked, and costs a real server what a
 * model of its size costs.
 *
 * How it works: the matrices that lead back into the residual stream (attention output, feed-forward down) are zero, so
 * every layer is computed in full and changes nothing, and what arrives at the output is the embedding of the last
 * token. That embedding is one-hot: each token whose successor matters owns one dimension, all others share dimension 0.
 * RMS norm scales a one-hot vector to √embedding, so output weight = wanted logit / √embedding gives the logits as written.
 */
export function buildChainModel(options: ChainModelOptions): GgufContent {
  const { embedding, feedForward } = options;
  if (embedding % headSize !== 0 || embedding <= 0 || feedForward <= 0) {
    throw new RangeError(
      `${options.name}: embedding ${embedding} must be a multiple of ${headSize}, feed-forward ${feedForward} above 0`,
    );
  }
  const chains = buildChains(options.sentence, options.neverEnds !== true);
  const vocabulary = buildVocabulary([...chainPieces(chains)]);
  const dimensionOf = new Map([...chains.after.keys()].map((piece, index) => [piece, index + 1]));
  if (dimensionOf.size >= embedding) {
    throw new RangeError(
      `${options.name}: the sentence needs ${dimensionOf.size + 1} dimensions, the embedding has ${embedding}`,
    );
  }
  return {
    metadata: buildMetadata(options, vocabulary),
    tensors: [
      ...buildEnds(options, vocabulary, chains, dimensionOf),
      ...Array.from({ length: options.layers }, (_, layer) => buildLayer(options, layer)).flat(),
    ],
  };
}

function buildMetadata(options: ChainModelOptions, { tokens, idOf }: Vocabulary): Record<string, GgufValue> {
  const string = (value: string): GgufValue => ({ kind: 'string', value });
  const uint32 = (value: number): GgufValue => ({ kind: 'uint32', value });
  const id = (text: string): GgufValue => uint32(idOf.get(text) ?? 0);
  const heads = options.embedding / headSize;
  return {
    'general.architecture': string('llama'),
    'general.name': string(options.name),
    ...(options.stamp === undefined ? {} : { 'sluice.stamp': string(options.stamp) }),
    'general.file_type': uint32({ F32: 0, F16: 1, Q8_0: 7, IQ2_XXS: 19 }[options.weights]),
    'llama.context_length': uint32(options.contextTokens ?? 8192),
    'llama.embedding_length': uint32(options.embedding),
    'llama.block_count': uint32(options.layers),
    'llama.feed_forward_length': uint32(options.feedForward),
    'llama.attention.head_count': uint32(heads),
    'llama.attention.head_count_kv': uint32(heads),
    'llama.attention.key_length': uint32(headSize),
    'llama.attention.value_length': uint32(headSize),
    'llama.attention.layer_norm_rms_epsilon': { kind: 'float32', value: 1e-6 },
    'llama.rope.dimension_count': uint32(headSize),
    'llama.vocab_size': uint32(tokens.length),
    'tokenizer.ggml.model': string('llama'),
    'tokenizer.ggml.pre': string('default'),
    'tokenizer.ggml.tokens': { kind: 'strings', value: tokens.map((token) => token.text) },
    'tokenizer.ggml.scores': { kind: 'float32s', value: tokens.map((token) => token.score) },
    'tokenizer.ggml.token_type': { kind: 'int32s', value: tokens.map(tokenKindNumber) },
    'tokenizer.ggml.unknown_token_id': id(controlTokens.unknown),
    'tokenizer.ggml.bos_token_id': id(controlTokens.begin),
    'tokenizer.ggml.eos_token_id': id(controlTokens.end),
    'tokenizer.ggml.add_bos_token': { kind: 'bool', value: false },
    'tokenizer.ggml.add_eos_token': { kind: 'bool', value: false },
    'tokenizer.ggml.add_space_prefix': { kind: 'bool', value: false },
    'tokenizer.chat_template': string(options.chatTemplate ?? chatTemplate),
  };
}

function buildEnds(
  { embedding }: ChainModelOptions,
  vocabulary: Vocabulary,
  chains: Chains,
  dimensionOf: ReadonlyMap<string, number>,
): GgufTensor[] {
  const { tokens, idOf } = vocabulary;
  const input = new Float32Array(tokens.length * embedding);
  const output = new Float32Array(tokens.length * embedding);
  const scale = 1 / Math.sqrt(embedding);
  for (const [id, token] of tokens.entries()) {
    input[id * embedding + (dimensionOf.get(token.text) ?? 0)] = 1;
    output.fill(fallbackLogit(token.text, token.kind) * scale, id * embedding, id * embedding + dimensionOf.size + 1);
  }
  const prefer = (dimension: number, preferences: Chains['otherwise']) => {
    for (const { next, logit } of preferences) output[(idOf.get(next) ?? 0) * embedding + dimension] = logit * scale;
  };
  prefer(0, chains.otherwise);
  for (const [piece, preferences] of chains.after) prefer(dimensionOf.get(piece) ?? 0, preferences);
  const shape = [embedding, tokens.length];
  return [
    { name: 'token_embd.weight', shape, type: 'F32', fill: floats(input) },
    { name: 'output_norm.weight', shape: [embedding], type: 'F32', fill: ones(embedding) },
    { name: 'output.weight', shape, type: 'F32', fill: floats(output) },
  ];
}

function buildLayer({ embedding, feedForward, weights }: ChainModelOptions, layer: number): GgufTensor[] {
  const noise: TensorFill = { kind: 'repeat', block: noiseBlocks[weights] };
  const zeros: TensorFill = { kind: 'zeros' };
  const matrix = (part: string, shape: readonly number[], fill: TensorFill): GgufTensor => ({
    name: `blk.${layer}.${part}.weight`,
    shape,
    type: weights,
    fill,
  });
  const norm = (part: string): GgufTensor => ({
    name: `blk.${layer}.${part}.weight`,
    shape: [embedding],
    type: 'F32',
    fill: ones(embedding),
  });
  return [
    norm('attn_norm'),
    matrix('attn_q', [embedding, embedding], noise),
    matrix('attn_k', [embedding, embedding], noise),
    matrix('attn_v', [embedding, embedding], noise),
    matrix('attn_output', [embedding, embedding], zeros),
    norm('ffn_norm'),
    matrix('ffn_gate', [embedding, feedForward], noise),
    matrix('ffn_up', [embedding, feedForward], noise),
    matrix('ffn_down', [feedForward, embedding], zeros),
  ];
}

const floats = (values: Float32Array): TensorFill => ({ kind: 'bytes', bytes: new Uint8Array(values.buffer) });

const ones = (length: number): TensorFill => floats(new Float32Array(length).fill(1));

const noiseElements = 32 * 1024;

// Values stay within ±0.08: far from zero, because denormal numbers are slow, and small enough that nothing overflows.
const noiseBlocks: Record<TensorType, Uint8Array> = {
  F32: new Uint8Array(
    Float32Array.from({ length: noiseElements }, (_, index) => (noiseByte(index) - 127.5) / 1600).buffer,
  ),
  // 0x2400…0x27ff are half floats of 2⁻⁶ to 2⁻⁵; the high bit is the sign.
  F16: new Uint8Array(
    Uint16Array.from(
      { length: noiseElements },
      (_, index) => 0x2400 | (noiseByte(index) << 2) | ((noiseByte(index + 7) & 1) << 15),
    ).buffer,
  ),
  // A block is a half-float scale (0x1400 ≈ 0.001) and 32 numbers of one byte, or 256 numbers as grid indices and signs.
  Q8_0: quantizedNoise(0x1400, 32, 32),
  IQ2_XXS: quantizedNoise(0x1400, 256, 64),
};

function quantizedNoise(scale: number, blockElements: number, numberBytes: number): Uint8Array {
  const block = new Uint8Array((noiseElements / blockElements) * (2 + numberBytes));
  for (let index = 0; index < block.length; index += 1) {
    const at = index % (2 + numberBytes);
    block[index] = at === 0 ? scale & 0xff : at === 1 ? scale >> 8 : noiseByte(index);
  }
  return block;
}

// A fixed hash of the index (Murmur3's finalizer): the same bytes on every machine, and no two neighbours alike.
function noiseByte(index: number): number {
  let hash = Math.imul(index ^ (index >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) & 0xff;
}
