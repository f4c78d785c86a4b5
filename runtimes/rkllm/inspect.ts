import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { GatewayError, messageOf } from '../../src/core/errors.ts';
import { parametersFromName } from '../../src/core/names.ts';
import type { Capabilities, ModelPolicy } from '../../src/core/policy.ts';
import type { ModelFacts, PrefixCacheFacts } from '../../src/core/profile.ts';
import type { Inspection } from '../../src/core/runtime.ts';
import type { Availability } from '../../src/core/snapshot.ts';
import { loadChatTemplate } from './chat/render.ts';
import { readBesideModel } from './files/beside-model.ts';
import { checkCompatibility } from './files/compatibility.ts';
import { type RkllmModelFile, readModelFile } from './files/model-file.ts';
import type { ProbedLibrary } from './probe.ts';

/** Looks at a model's file and whether it can run with the library. Never rejects. */
export async function inspectModel(model: ModelPolicy, library: ProbedLibrary): Promise<Inspection> {
  const runtimeVersion = versionText(library);
  let file: RkllmModelFile;
  try {
    file = await readModelFile(model.file);
  } catch (error) {
    const missing = error instanceof GatewayError && error.code === 'model_file_missing';
    // A missing library is the greater part of the trouble, and the one to mend first.
    const availability = unusableLibrary(library) ?? unavailable(messageOf(error), fileRemedy(model, missing));
    return { availability, facts: undefined, runtimeVersion };
  }
  const facts = { ...factsOf(model, file), tokenizer: await tokenizerOf(model.file) };
  const availability = unusableLibrary(library) ?? (await checkModel(model, file, library));
  return { availability, facts, runtimeVersion };
}

/** By content, so that models of one family share it; undefined where no tokenizer lies beside the model. */
async function tokenizerOf(modelFile: string): Promise<string | undefined> {
  const file = await readBesideModel(modelFile, 'tokenizer.json').catch(() => undefined);
  if (file === undefined) return undefined;
  return `tokenizer.json-${createHash('sha256').update(file.text).digest('hex').slice(0, 12)}`;
}

const fileRemedy = (model: ModelPolicy, missing: boolean): string =>
  missing ? `put the file there or correct models.${model.id}.file` : 'copy or convert it again';

const unavailable = (reason: string, remedy: string): Availability => ({ kind: 'unavailable', reason, remedy });

function unusableLibrary(library: ProbedLibrary): Availability | undefined {
  return library.kind === 'unusable' ? unavailable(library.reason, library.remedy) : undefined;
}

function versionText(library: ProbedLibrary): string | undefined {
  if (library.kind === 'unusable' || library.version === undefined) return library.version;
  return library.simulated ? `${library.version} (simulated)` : library.version;
}

async function checkModel(model: ModelPolicy, file: RkllmModelFile, library: ProbedLibrary): Promise<Availability> {
  if (library.kind === 'unusable') return unavailable(library.reason, library.remedy);
  if (file.isStandIn !== library.simulated) {
    return file.isStandIn
      ? unavailable(`${model.file} is a stand-in for the simulator, not a model`, 'name a converted .rkllm file')
      : unavailable('the library is the simulator, which runs no real models', 'name librkllmrt.so of your board');
  }
  // The simulator judges for itself, with the real library's words.
  const faults = library.simulated
    ? []
    : checkCompatibility(file.facts, { soc: library.soc, runtimeVersion: library.version });
  const [fault] = faults;
  if (fault !== undefined) return unavailable(`${model.file}: ${fault.reason}`, fault.remedy);
  const lora = Object.entries(model.settings.lora ?? {}).find(([, path]) => !existsSync(path));
  if (lora !== undefined) {
    const [name, path] = lora;
    return unavailable(`its LoRA adapter ${name} is missing: ${path}`, `correct models.${model.id}.settings.lora`);
  }
  return checkTemplate(model, file);
}

async function checkTemplate(model: ModelPolicy, file: RkllmModelFile): Promise<Availability> {
  const { template } = model.settings;
  if (template === 'runtime') return { kind: 'available' };
  try {
    await loadChatTemplate(model.file, { template, modelName: file.facts.model });
    return { kind: 'available' };
  } catch (error) {
    return unavailable(messageOf(error), `see models.${model.id}.settings.template in the policy`);
  }
}

// Node with the library's own code; a worker with a model of a few bytes stands at about 70 MB.
const WORKER_BYTES = 96 * 2 ** 20;
/**
 * Above the weights, for KV cache and buffers. Published peaks are 0.95 to 1.2 times the size of the w8a8 file; an
 * upper bound, because it decides what is tried until a peak has been measured.
 */
const PEAK_OVER_WEIGHTS = 1.25;

/** Facts of a model with its settings. Memory = 1.25 × file + the worker itself. */
export function factsOf(model: ModelPolicy, file: RkllmModelFile): ModelFacts {
  const { settings } = model;
  return {
    weightsBytes: file.sizeBytes,
    parametersBillion: file.facts.parametersBillion ?? parametersFromName(model.file),
    quantization: file.facts.dtype,
    architecture: file.facts.model,
    trainedContext: file.contextTokens,
    // Baked into the file: more cannot be had, less can.
    contextTokens: Math.min(settings.context ?? file.contextTokens, file.contextTokens),
    estimatedMemoryBytes: Math.round(file.sizeBytes * PEAK_OVER_WEIGHTS + WORKER_BYTES),
    ...capabilitiesOf(model),
    // Only where we render the prompt ourselves is it known what the cache holds.
    prefixCache: settings.template === 'runtime' ? undefined : KEPT_HISTORY,
  };
}

/** `keep_history`: the next turn of the conversation that ran last goes on where it ended; anything else starts anew. */
const KEPT_HISTORY: PrefixCacheFacts = { slots: 1, ramBytes: 0, bytesPerToken: 0, reuse: 'append', checkpointStep: 0 };

function capabilitiesOf(model: ModelPolicy): Required<Pick<ModelFacts, 'capabilities' | 'capabilitySources'>> {
  const guessed: Capabilities = {
    streaming: true,
    tools: true,
    vision: false,
    audio: false,
    // Nothing in the runtime holds an answer to a grammar.
    jsonSchema: false,
    logprobs: false,
    generation: model.settings.embeddings !== true && model.settings.rerank !== true,
    completions: false,
    embeddings: model.settings.embeddings === true,
    rerank: model.settings.rerank === true,
    thinking: model.settings.reasoningBudget !== 0,
  };
  const sources: { -readonly [Name in keyof Capabilities]?: string } = {};
  for (const name of Object.keys(guessed) as (keyof Capabilities)[]) {
    sources[name] = model.capabilities[name] === undefined ? SOURCES[name] : 'declared in the policy';
  }
  return { capabilities: { ...guessed, ...model.capabilities }, capabilitySources: sources };
}

const SOURCES: Readonly<Record<keyof Capabilities, string>> = {
  streaming: 'the worker',
  tools: 'the worker writes them into the prompt and reads them from the answer',
  vision: 'the worker takes text only',
  audio: 'the worker takes text only',
  jsonSchema: 'RKLLM has no grammars',
  logprobs: 'RKLLM gives none',
  generation: 'settings embeddings and rerank keep a model from it',
  completions: 'the worker writes every prompt by a chat template',
  embeddings: 'setting embeddings',
  rerank: 'setting rerank',
  thinking: 'reasoning_budget; the template tells once it is loaded',
};
