import type { Capabilities, ModelPolicy, RuntimeSettings } from '../../src/core/policy.ts';
import type { CapabilitySources } from '../../src/core/profile.ts';
import type { GgufMetadata } from '../../src/transport/gguf-metadata.ts';

/** What a model can do, and where each is known from. */
export type CapabilityManifest = { readonly capabilities: Capabilities; readonly sources: CapabilitySources };

type Known = { readonly [Name in keyof Capabilities]: readonly [can: boolean, source: string] };

const PROGRAM = 'llama-server';
const DECLARED = 'declared in the policy';
const EMBEDDING_FLAGS: ReadonlySet<string> = new Set(['--embedding', '--embeddings']);
const RERANK_FLAGS: ReadonlySet<string> = new Set(['--rerank', '--reranking']);

/**
 * What a llama-server with this file and these settings will be able to do, before it runs; a running one tells itself
 * (`/props`). `template` is the chat template it will use. The operator's own word comes last and counts.
 */
export function capabilitiesOf(
  model: ModelPolicy,
  metadata: Pick<GgufMetadata, 'pooling'>,
  template: string | undefined,
): CapabilityManifest {
  const { settings } = model;
  const known: Known = {
    streaming: [true, PROGRAM],
    tools: toolsOf(settings.jinja !== false, template),
    vision: settings.mmproj === undefined ? [false, 'no mmproj in the settings'] : [true, 'mmproj in the settings'],
    audio: [false, 'known only of a running child'],
    jsonSchema: [true, `${PROGRAM}'s grammars`],
    logprobs: [true, PROGRAM],
    generation: generationOf(settings),
    completions: [true, PROGRAM],
    embeddings: embeddingsOf(settings, metadata.pooling),
    rerank: [isReranker(settings), isReranker(settings) ? 'started with --reranking' : 'not started with --reranking'],
    thinking: thinkingOf(settings.reasoningBudget, template),
  };
  const capabilities: { -readonly [Name in keyof Capabilities]?: boolean } = {};
  const sources: { -readonly [Name in keyof Capabilities]?: string } = {};
  for (const name of Object.keys(known) as (keyof Capabilities)[]) {
    const declared = model.capabilities[name];
    const [can, source] = declared === undefined ? known[name] : [declared, DECLARED];
    capabilities[name] = can;
    sources[name] = source;
  }
  return { capabilities: capabilities as Capabilities, sources };
}

// Tried with build 11669: where the template does not mention tools they are dropped without a word, and even
// `tool_choice: required` brings prose.
function toolsOf(jinja: boolean, template: string | undefined): readonly [boolean, string] {
  if (!jinja) return [false, 'jinja is off, and only its templates take tools'];
  if (template === undefined) return [false, 'the file has no chat template'];
  return /\btools\b/.test(template)
    ? [true, 'chat template mentions tools']
    : [false, 'chat template does not mention tools'];
}

// Newer builds generate in these modes too, but a model that was made for vectors has nothing to say.
function generationOf(settings: RuntimeSettings): readonly [boolean, string] {
  if (isEmbedder(settings)) return [false, 'started with --embeddings'];
  return isReranker(settings) ? [false, 'started with --reranking'] : [true, PROGRAM];
}

const isEmbedder = ({ embeddings, extraArgs = [] }: RuntimeSettings): boolean =>
  embeddings === true || extraArgs.some((argument) => EMBEDDING_FLAGS.has(argument));

const isReranker = ({ rerank, extraArgs = [] }: RuntimeSettings): boolean =>
  rerank === true || extraArgs.some((argument) => RERANK_FLAGS.has(argument));

function embeddingsOf(settings: RuntimeSettings, pooling: string | undefined): readonly [boolean, string] {
  if (isEmbedder(settings)) return [true, 'started with --embeddings'];
  const made = pooling === undefined ? '' : `; the model is made for it (pooling ${pooling})`;
  return [false, `not started with --embeddings${made}`];
}

function thinkingOf(budget: number | undefined, template: string | undefined): readonly [boolean, string] {
  if (budget === 0) return [false, 'reasoning_budget is 0'];
  return template !== undefined && /<think|enable_thinking|reasoning_content/.test(template)
    ? [true, 'chat template mentions thinking']
    : [false, 'chat template does not mention thinking'];
}
