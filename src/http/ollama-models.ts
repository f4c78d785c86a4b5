import { createHash } from 'node:crypto';
import { extname } from 'node:path';
import { MODEL_CLASSES } from '../core/classes.ts';
import type { ClientPolicy } from '../core/client-policy.ts';
import type { Capabilities, ModelPolicy } from '../core/policy.ts';
import type { ModelFacts } from '../core/profile.ts';
import type { SupervisedModel } from '../supervise/supervisor-types.ts';
import { fileStamp } from '../transport/file-stamp.ts';
import type { HttpParts } from './parts.ts';

/** A model as Ollama's clients list it. */
export type ListedModel = {
  readonly name: string;
  readonly model: string;
  /** RFC 3339. */
  readonly modified_at: string;
  /** Bytes on disk; 0 for `auto`. */
  readonly size: number;
  /** 64 hex digits, the same as long as the file is. */
  readonly digest: string;
  readonly details: ModelDetails;
  readonly capabilities: readonly string[];
};

/** What is known of a model's file; empty where it is not. */
export type ModelDetails = {
  readonly parent_model: string;
  /** `gguf`, `rkllm`; `router` for `auto`. */
  readonly format: string;
  readonly family: string;
  readonly families: readonly string[];
  /** As in `4.0B`. */
  readonly parameter_size: string;
  readonly quantization_level: string;
  /** Tokens of prompt and answer together, as it is served. */
  readonly context_length: number;
};

/** The names that leave the choice to us: `auto`, and `auto:<class>` for each class that is open to the client. */
export const virtualNames = (client: ClientPolicy | undefined): readonly string[] => [
  'auto',
  ...MODEL_CLASSES.filter((name) => client?.classes?.includes(name) !== false).map((name) => `auto:${name}`),
];

/** The models the client can ask for, and `auto` before them so that pickers show it. */
export async function listModels(parts: HttpParts, client: ClientPolicy | undefined): Promise<readonly ListedModel[]> {
  const models = await Promise.all(usableModels(parts, client).map((model) => describeModel(model, parts)));
  return [...virtualNames(client).map((name) => describeVirtual(name, parts, client)), ...models];
}

/** A model with its file's size, time and digest. */
export async function describeModel(model: ModelPolicy, parts: HttpParts): Promise<ListedModel> {
  const facts = viewOf(model, parts)?.facts;
  const stamp = await fileStamp(model.file);
  const modifiedAtMs = stamp?.modifiedAtMs ?? parts.startedAtMs;
  return {
    name: model.id,
    model: model.id,
    modified_at: new Date(modifiedAtMs).toISOString(),
    size: facts?.weightsBytes ?? stamp?.bytes ?? 0,
    digest: digestOf(`${model.file}\n${stamp?.bytes ?? 0}\n${modifiedAtMs}`),
    details: detailsOf(model, facts),
    capabilities: capabilityNames(facts?.capabilities),
  };
}

/** `auto`, which can do whatever any of the client's models can. */
export function describeVirtual(name: string, parts: HttpParts, client: ClientPolicy | undefined): ListedModel {
  const facts = usableModels(parts, client).flatMap((model) => viewOf(model, parts)?.facts ?? []);
  const names = new Set(facts.flatMap(({ capabilities }) => capabilityNames(capabilities)));
  return {
    name,
    model: name,
    modified_at: new Date(parts.startedAtMs).toISOString(),
    size: 0,
    digest: digestOf(name),
    details: {
      parent_model: '',
      format: 'router',
      family: 'router',
      families: ['router'],
      parameter_size: '',
      quantization_level: '',
      context_length: Math.max(0, ...facts.map(({ contextTokens }) => contextTokens)),
    },
    capabilities: [...names],
  };
}

/** A loaded model with what it holds and until when. */
export async function describeLoaded(model: ModelPolicy, view: SupervisedModel, parts: HttpParts) {
  const { capabilities: _, modified_at: __, ...listed } = await describeModel(model, parts);
  const size = view.rssBytes ?? view.memoryBytes;
  const device = parts.policy().runtimes.get(model.runtime)?.device;
  return {
    ...listed,
    size,
    expires_at: new Date(expiryMs(model, view, parts.clock.nowMs())).toISOString(),
    // What is not the CPU's counts as a graphics card's, which is how clients show the share.
    size_vram: device === 'cpu' ? 0 : size,
    context_length: listed.details.context_length,
  };
}

/** A model that stays has no end; clients want a time, and show one so far away as none. */
const NEVER_MS = Date.UTC(2300, 0, 1);

function expiryMs(model: ModelPolicy, view: SupervisedModel, nowMs: number): number {
  const keep = view.keep ?? model.keep;
  if (keep.kind === 'resident') return NEVER_MS;
  return view.unloadsAtMs ?? nowMs + (keep.kind === 'idle' ? keep.idleMs : 0);
}

const viewOf = (model: ModelPolicy, parts: HttpParts): SupervisedModel | undefined =>
  parts.supervisor.views().get(model.id);

const usableModels = (parts: HttpParts, client: ClientPolicy | undefined): readonly ModelPolicy[] =>
  [...parts.policy().models.values()].filter(
    (model) =>
      model.enabled &&
      client?.models?.includes(model.id) !== false &&
      viewOf(model, parts)?.availability.kind === 'available',
  );

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

function detailsOf(model: ModelPolicy, facts: ModelFacts | undefined): ModelDetails {
  const family = facts?.architecture ?? '';
  return {
    parent_model: '',
    format: extname(model.file).slice(1).toLowerCase(),
    family,
    families: family === '' ? [] : [family],
    parameter_size: parameterSize(facts?.parametersBillion),
    quantization_level: facts?.quantization ?? '',
    context_length: facts?.contextTokens ?? model.settings.context ?? 0,
  };
}

// As Ollama writes counts: `8B`, `4.3B`, `270M`, `22.70M`.
function parameterSize(billions: number | undefined): string {
  if (billions === undefined) return '';
  if (billions >= 1) return `${Number.isInteger(billions) ? billions : billions.toFixed(1)}B`;
  const millions = billions * 1000;
  if (millions >= 1) return `${Number.isInteger(millions) ? millions : millions.toFixed(2)}M`;
  return `${Math.round(millions * 1000)}K`;
}

const NAMES: readonly (readonly [keyof Capabilities, string])[] = [
  ['generation', 'completion'],
  ['tools', 'tools'],
  ['vision', 'vision'],
  ['thinking', 'thinking'],
  ['embeddings', 'embedding'],
];

const capabilityNames = (capabilities: Capabilities | undefined): readonly string[] =>
  NAMES.flatMap(([name, theirs]) => (capabilities?.[name] === true ? [theirs] : []));
