import { parseModelName } from '../../runtimes/rkllm/files/model-name.ts';
import { friendlyName } from '../../src/core/names.ts';
import type { ModelFacts } from '../../src/core/profile.ts';
import type { FoundModel } from '../../src/init/find-model-files.ts';

const factsOf = (parametersBillion: number, memoryBytes: number, quantization: string): ModelFacts => ({
  weightsBytes: Math.round(memoryBytes * 0.6),
  parametersBillion,
  quantization,
  architecture: 'qwen35',
  trainedContext: 32_768,
  contextTokens: 2048,
  estimatedMemoryBytes: memoryBytes,
  capabilities: {
    ...{ streaming: true, tools: true, vision: false, audio: false, jsonSchema: true, logprobs: true },
    ...{ generation: true, completions: true, embeddings: false, rerank: false, thinking: true },
  },
});

/** A llama.cpp model as if it had been found; `name` is its file's name without folder and extension. */
export const foundModel = (
  name: string,
  parametersBillion: number,
  memoryBytes: number,
  changes: Partial<FoundModel> = {},
): FoundModel => ({
  id: friendlyName(name),
  kind: 'llama-server',
  file: `/srv/models/${name}.gguf`,
  mmproj: undefined,
  purpose: 'generation',
  facts: factsOf(parametersBillion, memoryBytes, 'Q4_K_M'),
  rkllm: undefined,
  ...changes,
});

/** A model of the NPU as if it had been found. */
export const foundNpuModel = (name: string, parametersBillion: number, memoryBytes: number): FoundModel => ({
  ...foundModel(name, parametersBillion, memoryBytes),
  kind: 'rkllm',
  file: `/srv/models/npu/${name}.rkllm`,
  facts: factsOf(parametersBillion, memoryBytes, 'w8a8'),
  rkllm: parseModelName(`${name}.rkllm`),
});

/** The models of the shipped policy with the memory they were measured with. */
export const BOARD_MODELS: readonly FoundModel[] = [
  foundModel('Qwen3.5-0.8B-Q4_K_M', 0.8, 1_120_600_000),
  foundModel('Qwen3.5-2B-Q4_K_M', 2, 2_548_600_000),
  foundModel('Qwen3.5-4B-Q4_K_M', 4, 5_382_200_000),
  foundModel('Qwen3.5-9B-Q4_K_M', 9, 10_222_300_000),
  foundModel('Qwen_Qwen3.5-27B-Q4_K_M', 27, 20_808_700_000),
  foundNpuModel('qwen3-1.7b-w8a8-ctx4096-rk3588', 1.7, 2_400_000_000),
  foundNpuModel('qwen2.5-3b-w8a8-g256-ctx2048-rk3588', 3, 3_900_000_000),
  foundNpuModel('qwen2.5-coder-3b-w8a8-ctx2048-rk3588', 3, 3_900_000_000),
];
