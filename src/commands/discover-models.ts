import { createRkllmAdapter } from '../../runtimes/rkllm/adapter.ts';
import { discoverModels, findModels } from '../../runtimes/rkllm/files/discover.ts';
import type { RkllmModelFile } from '../../runtimes/rkllm/files/model-file.ts';
import { systemClock } from '../core/clock.ts';
import { modelId, runtimeId } from '../core/ids.ts';
import { friendlyName } from '../core/names.ts';
import type { ModelPolicy, RuntimePolicy } from '../core/policy.ts';
import { formatTable } from './format-table.ts';

/** What to look for, and with which library it is to run. */
export type DiscoverOptions = {
  readonly folder: string;
  /** A friendly name, a file name or a normalised one; all where not given. */
  readonly name: string | undefined;
  /** `librkllmrt.so`, looked for where a runtime without `library` finds it when not given. */
  readonly library: string | undefined;
};

/** A model file of a folder and whether this machine can run it. */
export type DiscoveredModel = {
  readonly name: string;
  readonly file: string;
  readonly soc: string | null;
  readonly dtype: string | null;
  readonly opt_level: number | null;
  readonly npu_cores: number | null;
  readonly context: number | null;
  readonly toolkit: string | null;
  readonly usable: boolean;
  /** Why not, and what helps; null where it is usable. */
  readonly reason: string | null;
  readonly remedy: string | null;
};

/**
 * The `.rkllm` files of a folder that a name means, with what their names and sidecars tell, and the same judgement the
 * gateway would come to: chip, cores, data type, toolkit, library, driver. Files that cannot be models are among them
 * as unusable where no name was asked for. Throws `model_file_missing` where the folder cannot be read.
 */
export async function discoverUsable({ folder, name, library }: DiscoverOptions): Promise<readonly DiscoveredModel[]> {
  const { models, broken } = await discoverModels(folder);
  const wanted = name === undefined ? models : findModels(models, name);
  const found: DiscoveredModel[] = [];
  for (const model of wanted) found.push(await judge(model, library));
  if (name !== undefined) return found;
  return [...found, ...broken.map(({ path, reason }) => unreadable(path, reason))];
}

/** Lines for people: the table, then why what is unusable is. */
export function describeDiscovered(models: readonly DiscoveredModel[]): readonly string[] {
  if (models.length === 0) return ['no .rkllm files found'];
  const header = ['NAME', 'SOC', 'DTYPE', 'CORES', 'CONTEXT', 'TOOLKIT', 'USABLE', 'FILE'];
  const cell = (value: string | number | null) => (value === null ? '-' : String(value));
  const rows = models.map((model) => [
    model.name,
    ...[model.soc, model.dtype, model.npu_cores, model.context, model.toolkit].map(cell),
    model.usable ? 'yes' : 'no',
    model.file,
  ]);
  const notes = models.flatMap(({ file, reason, remedy }) =>
    reason === null ? [] : [`${file}: ${reason}${remedy === null ? '' : `; ${remedy}`}`],
  );
  return [...formatTable(header, rows), ...notes];
}

async function judge(model: RkllmModelFile, library: string | undefined): Promise<DiscoveredModel> {
  const { facts, path } = model;
  const adapter = createRkllmAdapter({ clock: systemClock });
  const { availability } = await adapter.inspect(modelAt(path), runtimeWith(library));
  const isUsable = availability.kind === 'available';
  return {
    name: facts.model ?? friendlyName(path),
    file: path,
    soc: facts.soc ?? null,
    dtype: facts.dtype ?? null,
    opt_level: facts.optLevel ?? null,
    npu_cores: facts.npuCores ?? null,
    context: facts.contextTokens ?? null,
    toolkit: facts.toolkitVersion ?? null,
    usable: isUsable,
    reason: isUsable ? null : availability.reason,
    remedy: isUsable ? null : availability.remedy,
  };
}

const unreadable = (path: string, reason: string): DiscoveredModel => ({
  name: friendlyName(path),
  file: path,
  soc: null,
  dtype: null,
  opt_level: null,
  npu_cores: null,
  context: null,
  toolkit: null,
  usable: false,
  reason,
  remedy: null,
});

/** As a policy would name it that says nothing else. */
const modelAt = (file: string): ModelPolicy => ({
  id: modelId(friendlyName(file)),
  runtime: runtimeId('npu'),
  file,
  aliases: [],
  quality: 0,
  keep: { kind: 'never' },
  classes: undefined,
  settings: {},
  sampling: {},
  enabled: true,
  capabilities: {},
});

const runtimeWith = (library: string | undefined): RuntimePolicy => ({
  id: runtimeId('npu'),
  kind: 'rkllm',
  device: 'npu',
  binary: undefined,
  benchBinary: undefined,
  library,
  settings: {},
});
