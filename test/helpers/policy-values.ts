import { modelId, runtimeId } from '../../src/core/ids.ts';
import type { ModelPolicy } from '../../src/core/policy.ts';
import type { ModelFacts } from '../../src/core/profile.ts';

/** A model of a policy; what a test cares about is given. */
export function modelPolicy(id: string, given: Partial<ModelPolicy> = {}): ModelPolicy {
  return {
    id: modelId(id),
    runtime: runtimeId('llama'),
    file: `/models/${id}.gguf`,
    aliases: [],
    quality: 0.5,
    keep: { kind: 'resident' },
    classes: undefined,
    settings: {},
    sampling: {},
    enabled: true,
    capabilities: {},
    ...given,
  };
}

/** Facts of a model's file; what a test cares about is given. */
export function modelFacts(given: Partial<ModelFacts> = {}): ModelFacts {
  return {
    weightsBytes: 2_500_000_000,
    parametersBillion: 4,
    quantization: 'Q4_K_M',
    architecture: 'llama',
    trainedContext: 32_768,
    contextTokens: 2_048,
    estimatedMemoryBytes: 4_000_000_000,
    capabilities: {
      streaming: true,
      tools: true,
      vision: false,
      audio: false,
      jsonSchema: true,
      logprobs: true,
      generation: true,
      completions: true,
      embeddings: false,
      rerank: false,
      thinking: false,
    },
    ...given,
  };
}
