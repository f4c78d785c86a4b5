import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { GGMLFileQuantizationType, GGMLQuantizationType, type GGUFParseOutput, gguf } from '@huggingface/gguf';
import { GatewayError, messageOf } from '../core/errors.ts';

/** What a model file says about itself, as far as routing and launching need it. */
export type GgufMetadata = {
  /** e.g. `llama`, `qwen35`; `clip` for a vision projector. */
  readonly architecture: string;
  readonly name: string | undefined;
  /** Weights, counted from the tensors. */
  readonly parameterCount: number;
  /** As llama.cpp spells it (`Q4_K_M`, `F16`): the file's own word, else the type most of its weights have. */
  readonly quantization: string;
  /** Longest context the model was trained for, tokens; 0 when the file does not say. */
  readonly contextLength: number;
  readonly embeddingLength: number;
  readonly blockCount: number;
  /** Key/value heads of all layers together, recurrent layers (which keep no KV cache) counting none. */
  readonly kvHeadsTotal: number;
  /** Elements of one head's key and value. */
  readonly keyLength: number;
  readonly valueLength: number;
  readonly chatTemplate: string | undefined;
  /**
   * False where layers keep a state that cannot be taken back to an earlier token, or only the last tokens of a window:
   * recurrent, hybrid and sliding-window models.
   */
  readonly canGoBack: boolean;
  /** Same text, same tokens: models with equal fingerprints count alike. Undefined where the file holds no vocabulary. */
  readonly tokenizer: string | undefined;
  /** How token embeddings become one of the text (`mean`, `cls`, `last`, `rank`), where the model is made for that. */
  readonly pooling: string | undefined;
  /** The file is no language model but the vision part (`--mmproj`) of one. */
  readonly isVisionProjector: boolean;
  /** Files the model is split into; 1 for the usual single file. Figures are of this file alone. */
  readonly splitCount: number;
  readonly sizeBytes: number;
};

/**
 * Reads the head of a local GGUF file; the weights are not read, so it takes a fraction of a second for any size.
 * Throws `GatewayError`: `model_file_missing` when it cannot be opened, `model_file_invalid` when it is no GGUF file, is
 * damaged, or is shorter than its own list of tensors says (an interrupted copy or download).
 */
export async function readGgufMetadata(path: string): Promise<GgufMetadata> {
  const sizeBytes = await sizeOf(path);
  const parsed = await parseHead(path, sizeBytes);
  checkComplete(path, sizeBytes, parsed);
  return describe(parsed, sizeBytes);
}

async function sizeOf(path: string): Promise<number> {
  try {
    const found = await stat(path);
    if (found.isFile()) return found.size;
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const why = missing ? 'does not exist' : `cannot be opened: ${messageOf(cause)}`;
    throw new GatewayError('model_file_missing', `model file ${path} ${why}`, { cause });
  }
  throw new GatewayError('model_file_missing', `model file ${path} is not a file`);
}

async function parseHead(path: string, sizeBytes: number): Promise<GGUFParseOutput> {
  if (sizeBytes < 24) throw invalid(path, `it has ${sizeBytes} bytes, fewer than a GGUF header`);
  try {
    return await gguf(path, { allowLocalFile: true });
  } catch (cause) {
    throw invalid(path, messageOf(cause), cause);
  }
}

// The parser reads zeros beyond the end of the file and does not mind, so completeness is checked here.
function checkComplete(
  path: string,
  sizeBytes: number,
  { tensorInfos, tensorDataOffset, ...rest }: GGUFParseOutput,
): void {
  const headEnd = rest.tensorInfoByteRange[1];
  if (headEnd > sizeBytes) {
    throw invalid(path, `its header needs ${headEnd} bytes, the file has ${sizeBytes}; copy or download it again`);
  }
  let dataEnd = 0;
  for (const tensor of tensorInfos) {
    const elements = tensor.shape.reduce((product, dimension) => product * Number(dimension), 1);
    const end =
      Number(tensorDataOffset) + Number(tensor.offset) + Math.floor(elements * (bytesPerElement[tensor.dtype] ?? 0));
    dataEnd = Math.max(dataEnd, end);
  }
  if (dataEnd > sizeBytes) {
    throw invalid(path, `its tensors need ${dataEnd} bytes, the file has ${sizeBytes}; copy or download it again`);
  }
}

const invalid = (path: string, why: string, cause?: unknown): GatewayError =>
  new GatewayError('model_file_invalid', `model file ${path} is not a usable GGUF file: ${why}`, { cause });

function describe({ metadata, tensorInfos }: GGUFParseOutput, sizeBytes: number): GgufMetadata {
  // The library types keys per architecture; new architectures come faster than its types, so values are looked at one by one.
  const values = metadata as unknown as Readonly<Record<string, unknown>>;
  const architecture = textIn(values['general.architecture']) ?? 'unknown';
  const number = (key: string): number | undefined => numberIn(values[`${architecture}.${key}`]);
  const embeddingLength = number('embedding_length') ?? 0;
  const blockCount = number('block_count') ?? 0;
  const headCount = maxIn(values[`${architecture}.attention.head_count`]) ?? 1;
  const headLength = embeddingLength / Math.max(1, headCount);
  const keyLength = number('attention.key_length') ?? headLength;
  return {
    architecture,
    name: textIn(values['general.name']),
    parameterCount: tensorInfos.reduce(
      (sum, { shape }) => sum + shape.reduce((size, length) => size * Number(length), 1),
      0,
    ),
    quantization: quantizationOf(numberIn(values['general.file_type']), tensorInfos),
    contextLength: number('context_length') ?? 0,
    embeddingLength,
    blockCount,
    kvHeadsTotal: kvHeadsOf(values, architecture, blockCount) ?? blockCount * headCount,
    keyLength,
    valueLength: number('attention.value_length') ?? headLength,
    chatTemplate: textIn(values['tokenizer.chat_template']),
    canGoBack: canGoBack(values, architecture),
    tokenizer: tokenizerOf(values),
    pooling: poolingOf(number('pooling_type')),
    isVisionProjector: architecture === 'clip',
    splitCount: Math.max(1, numberIn(values['split.count']) ?? 1),
    sizeBytes,
  };
}

// One number for all layers, or one per layer (0 where the layer is recurrent). Hybrid models may instead say that only
// every n-th layer has full attention (`full_attention_interval`, Qwen3-Next and its successors).
function kvHeadsOf(
  values: Readonly<Record<string, unknown>>,
  architecture: string,
  blockCount: number,
): number | undefined {
  const heads = values[`${architecture}.attention.head_count_kv`];
  if (Array.isArray(heads)) return heads.reduce((sum: number, head) => sum + (numberIn(head) ?? 0), 0);
  const each = numberIn(heads);
  if (each === undefined) return undefined;
  const interval = Math.max(1, numberIn(values[`${architecture}.full_attention_interval`]) ?? 1);
  return each * Math.ceil(blockCount / interval);
}

/** Keys of llama.cpp's `llama-arch.cpp` that only models with such layers have. */
const STATE_KEYS = [
  'ssm.conv_kernel',
  'ssm.state_size',
  'wkv.head_size',
  'shortconv.l_cache',
  'full_attention_interval',
];

function canGoBack(values: Readonly<Record<string, unknown>>, architecture: string): boolean {
  if (STATE_KEYS.some((key) => values[`${architecture}.${key}`] !== undefined)) return false;
  return (numberIn(values[`${architecture}.attention.sliding_window`]) ?? 0) === 0;
}

/** So many tokens of the vocabulary, evenly spread, tell it from others; the largest have 260,000. */
const TOKENS_SAMPLED = 512;

function tokenizerOf(values: Readonly<Record<string, unknown>>): string | undefined {
  const tokens = values['tokenizer.ggml.tokens'];
  if (!Array.isArray(tokens) || tokens.length === 0) return undefined;
  const model = textIn(values['tokenizer.ggml.model']) ?? '';
  const pre = textIn(values['tokenizer.ggml.pre']) ?? '';
  const merges = values['tokenizer.ggml.merges'];
  const step = Math.max(1, Math.floor(tokens.length / TOKENS_SAMPLED));
  const sample: unknown[] = [model, pre, tokens.length, Array.isArray(merges) ? merges.length : 0];
  for (let index = 0; index < tokens.length; index += step) sample.push(tokens[index]);
  return `${model}-${createHash('sha256').update(JSON.stringify(sample)).digest('hex').slice(0, 12)}`;
}

// `enum llama_pooling_type`; 0 is none.
const POOLINGS: readonly (string | undefined)[] = [undefined, 'mean', 'cls', 'last', 'rank'];

const poolingOf = (type: number | undefined): string | undefined => (type === undefined ? undefined : POOLINGS[type]);

function quantizationOf(fileType: number | undefined, tensors: GGUFParseOutput['tensorInfos']): string {
  const named = fileType === undefined ? undefined : GGMLFileQuantizationType[fileType];
  if (named !== undefined) return named;
  const elements = new Map<number, number>();
  for (const { dtype, shape } of tensors) {
    const size = shape.reduce((product, dimension) => product * Number(dimension), 1);
    elements.set(dtype, (elements.get(dtype) ?? 0) + size);
  }
  const [most] = [...elements].sort(([, a], [, b]) => b - a);
  return (most && GGMLQuantizationType[most[0]]) ?? 'unknown';
}

const textIn = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

function numberIn(value: unknown): number | undefined {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

function maxIn(value: unknown): number | undefined {
  if (!Array.isArray(value)) return numberIn(value);
  const numbers = value.flatMap((item) => numberIn(item) ?? []);
  return numbers.length === 0 ? undefined : Math.max(...numbers);
}

// Bytes per element of each ggml_type, from the block structures of ggml-common.h. A type that is not listed is only
// checked for where its tensor begins.
const bytesPerElement: Partial<Record<GGMLQuantizationType, number>> = {
  [GGMLQuantizationType.F32]: 4,
  [GGMLQuantizationType.F16]: 2,
  [GGMLQuantizationType.BF16]: 2,
  [GGMLQuantizationType.F64]: 8,
  [GGMLQuantizationType.I8]: 1,
  [GGMLQuantizationType.I16]: 2,
  [GGMLQuantizationType.I32]: 4,
  [GGMLQuantizationType.I64]: 8,
  [GGMLQuantizationType.Q4_0]: 18 / 32,
  [GGMLQuantizationType.Q4_1]: 20 / 32,
  [GGMLQuantizationType.Q5_0]: 22 / 32,
  [GGMLQuantizationType.Q5_1]: 24 / 32,
  [GGMLQuantizationType.Q8_0]: 34 / 32,
  [GGMLQuantizationType.Q2_K]: 84 / 256,
  [GGMLQuantizationType.Q3_K]: 110 / 256,
  [GGMLQuantizationType.Q4_K]: 144 / 256,
  [GGMLQuantizationType.Q5_K]: 176 / 256,
  [GGMLQuantizationType.Q6_K]: 210 / 256,
  [GGMLQuantizationType.IQ1_S]: 50 / 256,
  [GGMLQuantizationType.IQ1_M]: 56 / 256,
  [GGMLQuantizationType.IQ2_XXS]: 66 / 256,
  [GGMLQuantizationType.IQ2_XS]: 74 / 256,
  [GGMLQuantizationType.IQ2_S]: 82 / 256,
  [GGMLQuantizationType.IQ3_XXS]: 98 / 256,
  [GGMLQuantizationType.IQ3_S]: 110 / 256,
  [GGMLQuantizationType.IQ4_NL]: 18 / 32,
  [GGMLQuantizationType.IQ4_XS]: 136 / 256,
  [GGMLQuantizationType.TQ1_0]: 54 / 256,
  [GGMLQuantizationType.TQ2_0]: 66 / 256,
  [GGMLQuantizationType.MXFP4]: 17 / 32,
};
