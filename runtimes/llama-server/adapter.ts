import { mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Clock } from '../../src/core/clock.ts';
import { GatewayError, messageOf } from '../../src/core/errors.ts';
import type { EmitEvent } from '../../src/core/events.ts';
import { formatCpuList } from '../../src/core/format.ts';
import type { ModelPolicy, RuntimePolicy } from '../../src/core/policy.ts';
import type { Inspection, RuntimeAdapter } from '../../src/core/runtime.ts';
import { findProgram } from '../../src/transport/find-program.ts';
import { buildCommandLine, type CpuPlacement } from './command-line.ts';
import { connectLlamaServer } from './connection.ts';
import { explainExit } from './explain-exit.ts';
import { createFileInspector } from './inspect.ts';
import { createProgramProbe, type ProbedProgram } from './probe.ts';
import { savedSlot } from './saved-slot.ts';

/** What the adapter needs of the world. */
export type LlamaServerDeps = {
  readonly clock: Clock;
  /** Where PATH and the cache folder are looked up; the process's own where not given. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Told when settings had to be fitted to the machine. */
  readonly emit?: EmitEvent;
  /** Where slots are saved; nowhere where not given. */
  readonly dataDir?: string;
  /** CPUs of the machine, sorted; read from the system where not given. */
  readonly cpus?: readonly number[];
};

/** The runtime kind `llama-server`: llama.cpp's own server, one process per model. */
export function createLlamaServerAdapter(deps: LlamaServerDeps): RuntimeAdapter {
  const environment = deps.environment ?? process.env;
  const probe = createProgramProbe();
  const inspectFile = createFileInspector();
  const place = createPlacement(deps, environment);
  const slotsOf = (model: ModelPolicy) => (deps.dataDir === undefined ? undefined : savedSlot(deps.dataDir, model));

  const probeProgram = async (runtime: RuntimePolicy): Promise<ProbedProgram> => {
    const name = runtime.binary ?? 'llama-server';
    const path = findProgram(name, environment);
    if (path === undefined)
      throw new GatewayError('runtime_missing', `runtime ${runtime.id}: no program ${name} was found`);
    return probe(path);
  };
  return {
    kind: 'llama-server',
    pausable: true,
    inspect: async (model, runtime): Promise<Inspection> => {
      const [file, program] = await Promise.all([inspectFile(model), probeProgram(runtime).catch(messageOf)]);
      const facts = file.kind === 'facts' ? file.facts : undefined;
      if (typeof program === 'string') {
        const remedy = `run scripts/install-llama-cpp, or name your own build in runtimes.${runtime.id}.binary`;
        return { availability: { kind: 'unavailable', reason: program, remedy }, facts, runtimeVersion: undefined };
      }
      const availability = file.kind === 'facts' ? tryCommandLine(model, program, place) : file.availability;
      return { availability, facts, runtimeVersion: program.version };
    },
    launch: async (model, runtime, endpoint) => {
      const slots = slotsOf(model);
      if (slots !== undefined) mkdirSync(slots.folder, { recursive: true });
      return buildCommandLine(model, endpoint, await probeProgram(runtime), { ...place(model), slots: slots?.folder });
    },
    connect: (model, endpoint) => connectLlamaServer(model, endpoint, { clock: deps.clock, slots: slotsOf(model) }),
    explainExit,
  };
}

type Place = (model: ModelPolicy) => CpuPlacement;

/** A setting this build has no flag for is known before anything is started. */
function tryCommandLine(model: ModelPolicy, program: ProbedProgram, place: Place): Inspection['availability'] {
  try {
    buildCommandLine(model, { port: 1, apiKey: '' }, program, place(model));
    return { kind: 'available' };
  } catch (error) {
    return { kind: 'unavailable', reason: messageOf(error), remedy: `see models.${model.id}.settings in the policy` };
  }
}

/** Fits the CPUs a policy names to those the machine has, telling once per list where that changes anything. */
function createPlacement(deps: LlamaServerDeps, environment: NodeJS.ProcessEnv): Place {
  const present = deps.cpus ?? onlineCpus();
  const hasTaskset = findProgram('taskset', environment) !== undefined;
  const told = new Set<string>();
  return (model) => {
    const wanted = model.settings.cpus;
    if (wanted === undefined) return { cpus: undefined, hasTaskset };
    const cpus = wanted.filter((cpu) => present.includes(cpu));
    const list = formatCpuList(wanted);
    if (cpus.length === 0) {
      throw new GatewayError(
        'invalid_config',
        `models.${model.id}: none of the CPUs ${list} exists, this machine has ${formatCpuList(present)}; correct the setting cpus`,
      );
    }
    if (cpus.length < wanted.length && !told.has(list)) {
      told.add(list);
      const message = `cpus ${list}: this machine has only ${formatCpuList(present)}, so ${formatCpuList(cpus)} is used`;
      deps.emit?.({ kind: 'gateway.notice', level: 'warn', message });
    }
    return { cpus, hasTaskset };
  };
}

/** Sorted numbers of the CPUs that are switched on. */
function onlineCpus(): readonly number[] {
  try {
    return readFileSync('/sys/devices/system/cpu/online', 'utf8').trim().split(',').flatMap(parseRange);
  } catch {
    // No /sys: count them.
    return Array.from({ length: availableParallelism() }, (_, cpu) => cpu);
  }
}

function parseRange(text: string): readonly number[] {
  const [first = 0, last = first] = text.split('-').map(Number);
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
