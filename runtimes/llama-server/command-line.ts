import { GatewayError } from '../../src/core/errors.ts';
import { formatCpuList } from '../../src/core/format.ts';
import type { ModelPolicy, RuntimeSettings } from '../../src/core/policy.ts';
import type { ChildEndpoint, LaunchPlan } from '../../src/core/runtime.ts';
import type { ProbedProgram } from './probe.ts';

/** What the machine offers for placing a process on its CPUs. */
export type CpuPlacement = {
  /** CPUs that exist here and the policy names, sorted; undefined where the policy names none. */
  readonly cpus: readonly number[] | undefined;
  /** Whether the `taskset` program exists. */
  readonly hasTaskset: boolean;
  /** Folder in which slots may be saved; undefined = nowhere. */
  readonly slots?: string | undefined;
};

/** Cap of the prompt cache in RAM where the policy names none; llama-server's own default of 8 GiB is a board's whole memory. */
export const DEFAULT_CACHE_RAM_BYTES = 256 * 2 ** 20;

/**
 * Command line of a llama-server child: the winning command of the board measurements word for word as far as the
 * settings name its parts, then what a supervised child needs. Throws `invalid_config` where a setting needs a flag
 * that this build does not have. Pure.
 */
export function buildCommandLine(
  model: ModelPolicy,
  endpoint: ChildEndpoint,
  program: ProbedProgram,
  placement: CpuPlacement,
): LaunchPlan {
  const { settings } = model;
  const flags = createFlagWriter(model, program);
  const keyInEnvironment = program.variables.has('LLAMA_API_KEY');
  const args = [
    ...flags.needed('file', ['-m', '--model'], model.file),
    ...flags.needed('host', ['--host'], '127.0.0.1'),
    ...flags.needed('port', ['--port'], String(endpoint.port)),
    ...winningFlags(settings, flags),
    ...supervisedFlags(model, flags),
    // A build without the flag cannot save a slot; its prompts are then read again.
    ...(placement.slots === undefined ? [] : flags.optional(['--slot-save-path'], placement.slots)),
    // On the command line the key could be read by every user of the machine.
    ...(keyInEnvironment ? [] : flags.needed('api key', ['--api-key'], endpoint.apiKey)),
    ...ownPlacement(placement, flags),
    ...(settings.extraArgs ?? []),
  ];
  return {
    ...withTaskset(program.path, args, placement),
    environment: { ...settings.environment, ...(keyInEnvironment ? { LLAMA_API_KEY: endpoint.apiKey } : {}) },
  };
}

/** Turns a setting into the spelling this build understands. */
type FlagWriter = {
  readonly has: (spelling: string) => boolean;
  readonly takesValue: (spelling: string) => boolean;
  /** The first spelling the build knows; throws where it knows none. Nothing for an undefined value. */
  needed(setting: string, spellings: readonly string[], value?: string | number): readonly string[];
  /** The same, and nothing where the build knows none: what the flag governs does not exist there. */
  optional(spellings: readonly string[], value?: string | number): readonly string[];
};

function createFlagWriter(model: ModelPolicy, program: ProbedProgram): FlagWriter {
  const find = (spellings: readonly string[]) => spellings.find((spelling) => program.flags.has(spelling));
  const write = (flag: string, value: string | number | undefined) =>
    value === undefined ? [flag] : [flag, String(value)];
  return {
    has: (spelling) => program.flags.has(spelling),
    takesValue: (spelling) => program.flags.get(spelling)?.takesValue === true,
    needed: (setting, spellings, value) => {
      const flag = find(spellings);
      if (flag !== undefined) return write(flag, value);
      throw new GatewayError(
        'invalid_config',
        `models.${model.id}: ${program.path} (${program.version}) has no flag ${spellings.join(' or ')}, which the setting ${setting} needs; ` +
          'remove the setting or use a newer llama.cpp',
      );
    },
    optional: (spellings, value) => {
      const flag = find(spellings);
      return flag === undefined ? [] : write(flag, value);
    },
  };
}

/** In the order of the winning command. */
function winningFlags(settings: RuntimeSettings, flags: FlagWriter): readonly string[] {
  const { context, threads, parallel, reasoningBudget, cacheTypeK, cacheTypeV } = settings;
  return [
    ...(context === undefined ? [] : flags.needed('context', ['-c', '--ctx-size'], context)),
    ...(threads === undefined ? [] : flags.needed('threads', ['-t', '--threads'], threads)),
    // Always said: newer builds choose several slots by themselves, and those share one speed in ways nobody can predict.
    ...flags.needed('parallel', ['--parallel', '-np'], parallel ?? 1),
    ...jinja(settings.jinja, flags),
    ...(reasoningBudget === undefined ? [] : flags.needed('reasoning_budget', ['--reasoning-budget'], reasoningBudget)),
    ...(cacheTypeK === undefined ? [] : flags.needed('cache_type_k', ['-ctk', '--cache-type-k'], cacheTypeK)),
    ...(cacheTypeV === undefined ? [] : flags.needed('cache_type_v', ['-ctv', '--cache-type-v'], cacheTypeV)),
    ...flashAttention(settings.flashAttention, flags),
    // Renamed --no-ui, with the old name kept for now; a build with neither has no page to switch off.
    ...flags.optional(['--no-webui', '--no-ui']),
  ];
}

function jinja(wanted: boolean | undefined, flags: FlagWriter): readonly string[] {
  if (wanted === undefined) return [];
  // Older builds have no --no-jinja because off was their default.
  return wanted ? flags.needed('jinja', ['--jinja']) : flags.optional(['--no-jinja']);
}

function flashAttention(wanted: 'on' | 'off' | 'auto' | undefined, flags: FlagWriter): readonly string[] {
  if (wanted === undefined) return [];
  const spellings = ['-fa', '--flash-attn'];
  if (spellings.some(flags.takesValue)) return flags.needed('flash_attention', spellings, wanted);
  // Until mid-2025 it was a switch, off by default.
  return wanted === 'on' ? flags.needed('flash_attention', spellings) : [];
}

/** What we add to the winning command. */
function supervisedFlags(model: ModelPolicy, flags: FlagWriter): readonly string[] {
  const { settings } = model;
  // What is pooled must be read in one batch: with a smaller one llama-server refuses longer texts.
  const wholeText = settings.embeddings || settings.rerank ? settings.context : undefined;
  const optionalSettings: readonly (readonly [string, readonly string[], string | number | undefined])[] = [
    ['threads_batch', ['-tb', '--threads-batch'], settings.threadsBatch],
    ['batch', ['-b', '--batch-size'], wholeText ?? settings.batch],
    ['ubatch', ['-ub', '--ubatch-size'], wholeText ?? settings.ubatch],
    ['gpu_layers', ['-ngl', '--gpu-layers', '--n-gpu-layers'], settings.gpuLayers],
    ['context_checkpoints', ['--ctx-checkpoints', '--swa-checkpoints'], settings.contextCheckpoints],
    ['checkpoint_min_step', ['--checkpoint-min-step'], settings.checkpointMinStep],
    ['priority', ['--prio'], settings.priority],
    ['mmproj', ['--mmproj'], settings.mmproj],
    ['chat_template_file', ['--chat-template-file'], settings.chatTemplateFile],
    ['pooling', ['--pooling'], settings.pooling],
  ];
  const cacheRamMib = Math.round((settings.cacheRamBytes ?? DEFAULT_CACHE_RAM_BYTES) / 2 ** 20);
  return [
    ...flags.needed('alias', ['--alias', '-a'], model.id),
    ...flags.optional(['--metrics']),
    // How a lane learns that an abandoned generation has ended.
    ...flags.optional(['--slots']),
    // A build without the flag has no such cache, so there is nothing to cap.
    ...flags.optional(['--cache-ram', '-cram'], cacheRamMib),
    ...optionalSettings.flatMap(([setting, spellings, value]) =>
      value === undefined ? [] : flags.needed(setting, spellings, value),
    ),
    ...(settings.embeddings ? flags.needed('embeddings', ['--embeddings', '--embedding']) : []),
    ...(settings.rerank ? flags.needed('rerank', ['--reranking', '--rerank']) : []),
    ...loadMode(settings.loadMode, flags),
    // Our own heartbeats cover queueing and loading as well; two beating at once would only be noise in the stream.
    ...flags.optional(['--sse-ping-interval'], -1),
    // A prefill on a board may take many minutes before the first byte; older builds gave up after ten.
    ...flags.optional(['-to', '--timeout'], 3600),
  ];
}

function loadMode(wanted: RuntimeSettings['loadMode'], flags: FlagWriter): readonly string[] {
  if (wanted === undefined) return [];
  if (flags.has('-lm') || flags.has('--load-mode')) return flags.needed('load_mode', ['-lm', '--load-mode'], wanted);
  // Before the rename mmap was the default and the others were switches of their own.
  switch (wanted) {
    case 'mmap':
      return [];
    case 'none':
      return flags.needed('load_mode', ['--no-mmap']);
    case 'mlock':
      return flags.needed('load_mode', ['--mlock']);
  }
}

/** The program's own affinity flags, where there is no taskset. */
function ownPlacement({ cpus, hasTaskset }: CpuPlacement, flags: FlagWriter): readonly string[] {
  if (cpus === undefined || hasTaskset) return [];
  const mask = cpus.reduce((bits, cpu) => bits | (1n << BigInt(cpu)), 0n);
  return flags.needed('cpus', ['-C', '--cpu-mask'], mask.toString(16));
}

function withTaskset(
  path: string,
  args: readonly string[],
  { cpus, hasTaskset }: CpuPlacement,
): Pick<LaunchPlan, 'command' | 'args'> {
  if (cpus === undefined || !hasTaskset) return { command: path, args };
  return { command: 'taskset', args: ['-c', formatCpuList(cpus), path, ...args] };
}
