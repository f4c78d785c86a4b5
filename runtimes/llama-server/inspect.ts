import { readFile, stat } from 'node:fs/promises';
import { GatewayError, messageOf } from '../../src/core/errors.ts';
import { parametersFromName } from '../../src/core/names.ts';
import type { ModelPolicy, RuntimeSettings } from '../../src/core/policy.ts';
import type { ModelFacts, PrefixCacheFacts } from '../../src/core/profile.ts';
import type { Availability } from '../../src/core/snapshot.ts';
import type { GgufMetadata } from '../../src/transport/gguf-metadata.ts';
import { type KvCacheType, kvBytesPerToken } from '../../src/transport/kv-cache-bytes.ts';
import { capabilitiesOf } from './capabilities.ts';
import { DEFAULT_CACHE_RAM_BYTES } from './command-line.ts';

/** A model's file, read: facts, or why there are none. */
export type FileInspection =
  | { readonly kind: 'facts'; readonly facts: ModelFacts }
  | { readonly kind: 'unusable'; readonly availability: Availability };

/** Reads model files, each once as it is on disk. */
export type FileInspector = (model: ModelPolicy) => Promise<FileInspection>;

/** An inspector with a memory of what it has read. */
export function createFileInspector(): FileInspector {
  const known = new Map<string, Promise<GgufMetadata>>();
  const read = async (path: string): Promise<GgufMetadata> => {
    const found = await stat(path).catch(() => undefined);
    const key = `${path} ${found?.mtimeMs} ${found?.size}`;
    let metadata = known.get(key);
    if (metadata === undefined) {
      metadata = readMetadata(path);
      known.set(key, metadata);
      // A damaged file is cheap to read again, and one that could not be opened may be readable the next time.
      metadata.catch(() => known.delete(key));
    }
    return metadata;
  };
  return async (model) => {
    try {
      const metadata = await read(model.file);
      if (metadata.isVisionProjector)
        return unusable(model, 'it is the vision part of a model', 'name it as mmproj and the model itself as file');
      const weightsBytes = await weightsOnDisk(model, metadata);
      const template = await templateOf(model, metadata);
      return { kind: 'facts', facts: factsOf(model, metadata, { weightsBytes, template }) };
    } catch (error) {
      const missing = error instanceof GatewayError && error.code === 'model_file_missing';
      const remedy = missing ? `put the file there or correct models.${model.id}.file` : 'copy or download it again';
      return unusable(model, messageOf(error), remedy);
    }
  };
}

// Loaded with the first file: the parser is large, and the gateway answers `/health` before it looks at models.
async function readMetadata(path: string): Promise<GgufMetadata> {
  const { readGgufMetadata } = await import('../../src/transport/gguf-metadata.ts');
  return readGgufMetadata(path);
}

function unusable(model: ModelPolicy, reason: string, remedy: string): FileInspection {
  const text = reason.includes(model.file) ? reason : `${model.file}: ${reason}`;
  return { kind: 'unusable', availability: { kind: 'unavailable', reason: text, remedy } };
}

async function templateOf({ settings }: ModelPolicy, metadata: GgufMetadata): Promise<string | undefined> {
  const path = settings.chatTemplateFile;
  if (path === undefined) return metadata.chatTemplate;
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const message = `the chat template ${path} cannot be read: ${messageOf(cause)}; correct chat_template_file`;
    throw new GatewayError('model_file_missing', message, { cause });
  }
}

/** All parts of a split model and its vision projector, bytes. Rejects where one is missing. */
async function weightsOnDisk(model: ModelPolicy, metadata: GgufMetadata): Promise<number> {
  const others = [...otherParts(model.file, metadata.splitCount), ...definedPaths(model.settings)];
  const sizes = await Promise.all(
    others.map(async (path) => {
      const found = await stat(path).catch(() => undefined);
      if (found?.isFile() === true) return found.size;
      throw new GatewayError('model_file_missing', `${path}, which ${model.file} needs, is missing`);
    }),
  );
  return sizes.reduce((sum, size) => sum + size, metadata.sizeBytes);
}

/** `model-00001-of-00003.gguf` → the paths of parts 2 and 3. */
function otherParts(file: string, count: number): readonly string[] {
  if (count <= 1) return [];
  return Array.from({ length: count - 1 }, (_, index) =>
    file.replace(/-\d{5}-of-(\d{5})\.gguf$/, `-${String(index + 2).padStart(5, '0')}-of-$1.gguf`),
  );
}

const definedPaths = ({ mmproj }: RuntimeSettings): readonly string[] => (mmproj === undefined ? [] : [mmproj]);

// What llama-server itself, its libraries and its HTTP threads take; a model of a megabyte stands at about 60 MB here.
const PROGRAM_BYTES = 96 * 2 ** 20;
// The largest vocabulary in use (Gemma, Qwen 3.5): the logits of one micro-batch are the bulk of the compute buffer.
const VOCABULARY_MAX = 262_144;
/** llama-server's own default of `--ubatch-size`. */
const DEFAULT_UBATCH = 512;
/** llama-server's own default of `--cache-type-k` and `-v`. */
const DEFAULT_KV_TYPE = 'f16';
const KV_TYPES: readonly string[] = ['f32', 'f16', 'bf16', 'q8_0', 'q5_1', 'q5_0', 'q4_1', 'q4_0', 'iq4_nl'];

/**
 * Facts of a model with its settings. Memory = weights + KV cache of the whole context + prompt cache in RAM at its cap +
 * compute buffer (logits of one micro-batch: ubatch × largest possible vocabulary × 4 bytes) +
 * the program. An upper bound on purpose: it decides what is tried at all until a peak has been measured.
 */
export function factsOf(
  model: ModelPolicy,
  metadata: GgufMetadata,
  { weightsBytes, template }: { readonly weightsBytes: number; readonly template: string | undefined },
): ModelFacts {
  const { settings } = model;
  const { capabilities, sources } = capabilitiesOf(model, metadata, template);
  const trained = metadata.contextLength > 0 ? metadata.contextLength : undefined;
  const total = settings.context ?? trained ?? 4096;
  const perToken = kvBytesPerToken(metadata, kvType(settings.cacheTypeK), kvType(settings.cacheTypeV));
  // The embedding table alone has vocabulary × embedding length weights, so a small model cannot have a large one.
  const vocabulary = Math.min(VOCABULARY_MAX, metadata.parameterCount / Math.max(1, metadata.embeddingLength));
  const computeBytes = (settings.ubatch ?? DEFAULT_UBATCH) * vocabulary * 4;
  const cacheRamBytes = settings.cacheRamBytes ?? DEFAULT_CACHE_RAM_BYTES;
  return {
    weightsBytes,
    parametersBillion: parametersFromName(model.file) ?? metadata.parameterCount / 1e9,
    quantization: metadata.quantization,
    architecture: metadata.architecture,
    trainedContext: trained,
    // The server divides its context among its slots, and cuts what exceeds the training.
    contextTokens: Math.min(
      Math.floor(total / Math.max(1, settings.parallel ?? 1)),
      trained ?? Number.POSITIVE_INFINITY,
    ),
    estimatedMemoryBytes: Math.round(weightsBytes + perToken * total + cacheRamBytes + computeBytes + PROGRAM_BYTES),
    capabilities,
    capabilitySources: sources,
    tokenizer: metadata.tokenizer,
    prefixCache: prefixCacheOf(settings, metadata, { ramBytes: cacheRamBytes, bytesPerToken: perToken }),
  };
}

const isKvType = (type: string): type is KvCacheType => KV_TYPES.includes(type);

/** A type we do not know is counted as f16, the largest in common use. */
const kvType = (type: string | undefined): KvCacheType =>
  type !== undefined && isKvType(type) ? type : DEFAULT_KV_TYPE;

/** llama-server's own default of `--checkpoint-min-step`, tokens. */
const DEFAULT_CHECKPOINT_STEP = 8192;

function prefixCacheOf(
  settings: RuntimeSettings,
  { canGoBack }: GgufMetadata,
  sizes: Pick<PrefixCacheFacts, 'ramBytes' | 'bytesPerToken'>,
): PrefixCacheFacts {
  const windowKept = settings.extraArgs?.includes('--swa-full') === true;
  const noCheckpoints = settings.contextCheckpoints === 0;
  return {
    ...sizes,
    slots: Math.max(1, settings.parallel ?? 1),
    reuse: canGoBack || windowKept ? 'anywhere' : noCheckpoints ? 'append' : 'checkpoints',
    checkpointStep: settings.checkpointMinStep ?? DEFAULT_CHECKPOINT_STEP,
  };
}
