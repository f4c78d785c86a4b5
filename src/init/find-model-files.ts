import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createFileInspector } from '../../runtimes/llama-server/inspect.ts';
import { type RkllmModelFile, readModelFile } from '../../runtimes/rkllm/files/model-file.ts';
import { factsOf as rkllmFactsOf } from '../../runtimes/rkllm/inspect.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import { modelId, runtimeId } from '../core/ids.ts';
import { familyName, friendlyName, normalizedName } from '../core/names.ts';
import type { ModelPolicy, RuntimeSettings } from '../core/policy.ts';
import type { ModelFacts } from '../core/profile.ts';
import { type GgufMetadata, readGgufMetadata } from '../transport/gguf-metadata.ts';

/** A model file that a policy can name. */
export type FoundModel = {
  /** Key in the policy: the friendly name, made unique. */
  readonly id: string;
  readonly kind: 'llama-server' | 'rkllm';
  /** Absolute path. */
  readonly file: string;
  /** Path of the vision part that belongs to it; undefined where there is none. */
  readonly mmproj: string | undefined;
  /** What the model is made for. */
  readonly purpose: 'generation' | 'embeddings' | 'rerank';
  /** With the launch settings it was asked with. */
  readonly facts: ModelFacts;
  /** Undefined for llama.cpp's files. */
  readonly rkllm: RkllmModelFile['facts'] | undefined;
};

/** Model files of a folder, and those that cannot be used. */
export type FoundModels = {
  /** Sorted by id. */
  readonly models: readonly FoundModel[];
  readonly unused: readonly { readonly file: string; readonly reason: string }[];
};

// Below some ten levels a folder is no shelf of models; it also ends a walk through a loop of mounts.
const FILES_MAX = 1_000;

/**
 * Finds the `.gguf` and `.rkllm` files of a folder and its subfolders and looks into each. `settings` are those the
 * llama.cpp models will be launched with, on which their memory depends. A file that cannot be used is listed with the reason.
 * Throws `model_file_missing` where the folder cannot be read, `usage` where it holds more than 1,000 model files.
 */
export async function findModelFiles(folder: string, settings: RuntimeSettings): Promise<FoundModels> {
  const names = await readdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new GatewayError('model_file_missing', `cannot look for models in ${folder}: ${messageOf(cause)}`, { cause });
  });
  const files = names.filter((name) => /\.(gguf|rkllm)$/i.test(name)).toSorted();
  if (files.length > FILES_MAX) {
    const message = `${folder} holds ${files.length} model files, more than ${FILES_MAX}; name a folder with those that are to be served`;
    throw new GatewayError('usage', message);
  }
  const models: Candidate[] = [];
  const projectors: string[] = [];
  const unused: { file: string; reason: string }[] = [];
  for (const name of files) {
    const file = join(folder, name);
    try {
      const looked = await lookAt(file);
      if (looked === 'projector') projectors.push(file);
      else if (looked !== 'part') models.push(looked);
    } catch (error) {
      unused.push({ file, reason: messageOf(error) });
    }
  }
  for (const file of projectors.filter((path) => ownerOf(path, models) === undefined)) {
    unused.push({
      file,
      reason: 'no model of its name lies beside this vision part; name it as settings.mmproj of one',
    });
  }
  const found = await Promise.all(models.map((model) => complete(model, { models, projectors, settings })));
  for (const { model, reason } of found) if (reason !== undefined) unused.push({ file: model.file, reason });
  return { models: found.flatMap(({ facts }) => facts ?? []), unused };
}

type Candidate = {
  readonly file: string;
  readonly gguf: GgufMetadata | undefined;
  readonly rkllm: RkllmModelFile | undefined;
};

async function lookAt(file: string): Promise<Candidate | 'projector' | 'part'> {
  if (/\.rkllm$/i.test(file)) {
    const rkllm = await readModelFile(file);
    if (!rkllm.isStandIn) return { file, gguf: undefined, rkllm };
    throw new GatewayError('model_file_invalid', 'it is a stand-in for the NPU simulator, not a model');
  }
  // The first part of a split model stands for all of them.
  const part = /-(\d{5})-of-\d{5}\.gguf$/i.exec(file)?.[1];
  if (part !== undefined && part !== '00001') return 'part';
  const gguf = await readGgufMetadata(file);
  return gguf.isVisionProjector ? 'projector' : { file, gguf, rkllm: undefined };
}

type Around = {
  readonly models: readonly Candidate[];
  readonly projectors: readonly string[];
  readonly settings: RuntimeSettings;
};

type Completed = { readonly model: Candidate; readonly facts?: FoundModel; readonly reason?: string };

async function complete(model: Candidate, { models, projectors, settings }: Around): Promise<Completed> {
  const { file, gguf, rkllm } = model;
  const id = idOf(file, models);
  if (rkllm !== undefined) {
    const facts = rkllmFactsOf(asPolicy(id, file, {}), rkllm);
    return {
      model,
      facts: { id, kind: 'rkllm', file, mmproj: undefined, purpose: 'generation', facts, rkllm: rkllm.facts },
    };
  }
  const mmproj = projectors.find((path) => ownerOf(path, models) === model);
  const purpose = purposeOf(gguf);
  const own = { ...settings, mmproj, embeddings: purpose === 'embeddings', rerank: purpose === 'rerank' };
  const looked = await createFileInspector()(asPolicy(id, file, own));
  if (looked.kind === 'facts') {
    return { model, facts: { id, kind: 'llama-server', file, mmproj, purpose, facts: looked.facts, rkllm: undefined } };
  }
  const { availability } = looked;
  return { model, reason: availability.kind === 'unavailable' ? availability.reason : 'it cannot be used' };
}

function purposeOf(gguf: GgufMetadata | undefined): FoundModel['purpose'] {
  if (gguf?.pooling === undefined) return 'generation';
  return gguf.pooling === 'rank' ? 'rerank' : 'embeddings';
}

/** The friendly name where it is the only one of its kind, else the longer name, else with the number of the file. */
function idOf(file: string, all: readonly Candidate[]): string {
  const short = friendlyName(file);
  if (all.filter((other) => friendlyName(other.file) === short).length === 1) return usable(short);
  const long = normalizedName(file);
  const alike = all.filter((other) => normalizedName(other.file) === long);
  if (alike.length === 1) return usable(long);
  return usable(`${long}-${alike.findIndex((other) => other.file === file) + 1}`);
}

// A policy's keys are letters, digits and a few signs; whatever else a file name holds becomes a dash.
const usable = (name: string): string => name.replaceAll(/[^a-z0-9._:-]+/g, '-').replace(/^[^a-z0-9]+/, '') || 'model';

/** The model of the same folder that a vision part was made for: the only one, or the one whose family it names. */
function ownerOf(projector: string, models: readonly Candidate[]): Candidate | undefined {
  const beside = models.filter(({ file, gguf }) => gguf !== undefined && dirname(file) === dirname(projector));
  if (beside.length === 1) return beside[0];
  const name = normalizedName(basename(projector).replace(/mmproj(-model)?[-_]?/i, ''));
  const named = beside.filter(({ file }) => name.startsWith(friendlyName(file)));
  if (named.length === 1) return named[0];
  const family = beside.filter(({ file }) => name.startsWith(familyName(file)));
  return family.length === 1 ? family[0] : undefined;
}

/** As a policy would name it that says nothing else. */
const asPolicy = (id: string, file: string, settings: RuntimeSettings): ModelPolicy => ({
  id: modelId(id),
  runtime: runtimeId('llama'),
  file,
  aliases: [],
  quality: 0,
  keep: { kind: 'never' },
  classes: undefined,
  settings,
  sampling: {},
  enabled: true,
  capabilities: {},
});
