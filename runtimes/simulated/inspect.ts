import { readStandIn, type StandIn } from '../../src/boards/stand-in.ts';
import { GatewayError, messageOf } from '../../src/core/errors.ts';
import type { ModelPolicy } from '../../src/core/policy.ts';
import type { CapabilitySources, ModelFacts } from '../../src/core/profile.ts';
import type { Inspection } from '../../src/core/runtime.ts';

/** What a simulated model is and can do. Never rejects. */
export async function inspectStandIn(model: ModelPolicy): Promise<Inspection> {
  try {
    const standIn = await readStandIn(model.file);
    const runtimeVersion = `simulated ${standIn.board}`;
    return { availability: { kind: 'available' }, facts: factsOf(model, standIn), runtimeVersion };
  } catch (error) {
    const missing = error instanceof GatewayError && error.code === 'model_file_missing';
    const remedy = missing
      ? `put the stand-in there or correct models.${model.id}.file; "sluice serve --simulate BOARD" writes its own`
      : 'see runtimes/simulated/README.md for what a stand-in holds';
    const availability = { kind: 'unavailable', reason: messageOf(error), remedy } as const;
    return { availability, facts: undefined, runtimeVersion: undefined };
  }
}

/** Context of all slots together, tokens: the setting, at most what the model was made for. */
export const contextTokensOf = ({ settings }: ModelPolicy, { contextTokens }: StandIn): number =>
  Math.min(settings.context ?? contextTokens, contextTokens);

/** True where the model thinks before it answers: it can, and its budget allows it. */
export const thinksOf = ({ settings }: ModelPolicy, { thinking }: StandIn): boolean =>
  thinking && settings.reasoningBudget !== 0;

/** Slots of one child. */
export const slotsOf = ({ settings }: ModelPolicy): number => Math.max(1, settings.parallel ?? 1);

// Bytes are only reckoned with where a cache in RAM has a cap, and there is none.
const BYTES_PER_TOKEN = 1;

/** Facts of a model with its settings. */
export function factsOf(model: ModelPolicy, standIn: StandIn): ModelFacts {
  const slots = slotsOf(model);
  return {
    weightsBytes: standIn.weightsBytes,
    parametersBillion: standIn.parametersBillion,
    quantization: standIn.quantization,
    architecture: undefined,
    trainedContext: standIn.contextTokens,
    contextTokens: Math.floor(contextTokensOf(model, standIn) / slots),
    estimatedMemoryBytes: standIn.memoryBytes,
    capabilities: {
      streaming: true,
      // Requests with tools are taken, as they are by models that then call none.
      tools: true,
      vision: false,
      audio: false,
      // Its answers are fixed sentences: no grammar holds, and no token has a probability.
      jsonSchema: false,
      logprobs: false,
      generation: true,
      completions: false,
      embeddings: false,
      rerank: false,
      thinking: thinksOf(model, standIn),
      ...model.capabilities,
    },
    capabilitySources: SOURCES,
    tokenizer: 'simulated',
    prefixCache: { slots, ramBytes: 0, bytesPerToken: BYTES_PER_TOKEN, reuse: 'anywhere', checkpointStep: 0 },
  };
}

const SOURCE = 'what a simulated model can do';
const SOURCES: CapabilitySources = {
  streaming: SOURCE,
  tools: SOURCE,
  vision: SOURCE,
  audio: SOURCE,
  jsonSchema: SOURCE,
  logprobs: SOURCE,
  generation: SOURCE,
  completions: SOURCE,
  embeddings: SOURCE,
  rerank: SOURCE,
  thinking: SOURCE,
};
