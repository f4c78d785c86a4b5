import { totalmem } from 'node:os';
import { join } from 'node:path';
import { createMachineWatch, type MachineWatch } from './bench/machine-watch.ts';
import type { Clock } from './core/clock.ts';
import type { ModelId } from './core/ids.ts';
import type { ModelPolicy } from './core/policy.ts';
import type { Profile } from './core/profile.ts';
import type { RuntimeAdapter } from './core/runtime.ts';
import type { Simulation } from './http/parts.ts';
import { createLearner, type Learner } from './learn/learner.ts';
import type { EventBus } from './observe/event-bus.ts';
import { keepLearned } from './store/keep-learned.ts';
import { openStore, type Store } from './store/open-store.ts';
import { createProfiles, type Profiles } from './store/profiles.ts';
import { knownFigures } from './supervise/known-figures.ts';
import { lazyAdapter } from './supervise/lazy-adapter.ts';
import { acquireDataLock, type DataLock } from './supervise/lock.ts';
import { createSupervisor } from './supervise/supervisor.ts';
import type { Supervisor } from './supervise/supervisor-types.ts';

/** What a machine is opened with. */
export type MachineOptions = {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly events: EventBus;
  readonly environment: NodeJS.ProcessEnv;
  /** Folder that stands for `/` where clocks, temperatures and the kernel are read; default: the machine's own. */
  readonly sysroot?: string | undefined;
  /** A simulated board is served; `clock` runs at its speed. */
  readonly simulation?: Simulation;
};

/** What the parts of one data directory are made of; `openMachine` makes them, `close` undoes all of it. */
export type Machine = {
  readonly store: Store;
  readonly profiles: Profiles;
  readonly learner: Learner;
  readonly supervisor: Supervisor;
  readonly watch: MachineWatch;
  readonly close: (drainMs: number) => Promise<void>;
};

/**
 * Takes the data directory and opens everything below HTTP: lock, SQLite, profiles and a supervisor without children.
 * Rejects with `data_directory_locked` where another Sluice has it.
 */
export async function openMachine(
  options: MachineOptions,
  modelOf: (model: ModelId) => ModelPolicy | undefined,
): Promise<Machine> {
  const { dataDir, clock, events } = options;
  const lock: DataLock = await acquireDataLock(dataDir);
  try {
    const store = openStore(join(dataDir, 'sluice.db'), { clock, emit: events.emit });
    const profiles = createProfiles(store, clock);
    const learner = openLearner(store, events);
    const kept = keepLearned(learner, store, clock);
    const profileOf = (id: ModelId): Profile => {
      const model = modelOf(id);
      return model === undefined ? {} : profiles.profileOf(model);
    };
    const supervisor = createSupervisor({
      clock,
      emit: events.emit,
      adapters: createAdapters(options, profileOf),
      dataDir,
      memoryBytes: () => ({ totalBytes: totalmem() }),
      measured: (id) => knownFigures(profileOf(id)),
    });
    const watch = createMachineWatch({ store, clock, sysroot: options.sysroot });
    const close = async (drainMs: number) => {
      await supervisor.stop(drainMs);
      watch.close();
      profiles.close();
      kept.close();
      store.close();
      lock.release();
    };
    return { store, profiles, learner, supervisor, watch, close };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** One adapter per runtime kind, its code loaded with the first model of the kind; `profileOf` gives what is known of a model, for deadlines that follow its speed. */
export function createAdapters(
  { clock, events, environment, dataDir, simulation }: MachineOptions,
  profileOf: (model: ModelId) => Profile,
): ReadonlyMap<string, RuntimeAdapter> {
  const adapters = [
    lazyAdapter('llama-server', async () => {
      const { createLlamaServerAdapter } = await import('../runtimes/llama-server/adapter.ts');
      return createLlamaServerAdapter({ clock, environment, emit: events.emit, dataDir });
    }),
    lazyAdapter('rkllm', async () => {
      const { createRkllmAdapter } = await import('../runtimes/rkllm/adapter.ts');
      return createRkllmAdapter({ clock, environment, dataDir, profileOf });
    }),
    lazyAdapter('simulated', async () => {
      const { createSimulatedAdapter } = await import('../runtimes/simulated/adapter.ts');
      return createSimulatedAdapter({ clock, speed: simulation?.speed ?? 1 });
    }),
  ];
  return new Map(adapters.map((adapter) => [adapter.kind, adapter]));
}

function openLearner(store: Store, { emit }: EventBus): Learner {
  const notice = (message: string) => emit({ kind: 'gateway.notice', level: 'warn', message });
  return createLearner({
    state: store.learnedState(),
    onDamaged: notice,
    onDrift: (device) =>
      notice(
        `${device} has become slower than its models' benchmarks; predictions follow, and "sluice bench" measures it anew`,
      ),
  });
}
