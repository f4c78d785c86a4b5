import { join } from 'node:path';
import type { Clock } from '../../src/core/clock.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { ModelId } from '../../src/core/ids.ts';
import type { ModelPolicy } from '../../src/core/policy.ts';
import type { Profile } from '../../src/core/profile.ts';
import type { RuntimeAdapter } from '../../src/core/runtime.ts';
import { connectWorker } from './connection.ts';
import { DEADLINES, type DeadlineRules, loadLimitMs, type MeasuredRates } from './deadlines.ts';
import { explainExit } from './explain-exit.ts';
import { readModelFile } from './files/model-file.ts';
import { inspectModel } from './inspect.ts';
import { npuLockFile } from './npu-lock.ts';
import { createNpuMutex } from './npu-mutex.ts';
import { createLibraryProbe, type ProbedLibrary } from './probe.ts';
import type { LoadMessage } from './protocol.ts';
import { workerCommand } from './worker-command.ts';

/** What the adapter needs of the world. */
export type RkllmDeps = {
  readonly clock: Clock;
  /** Where the library and the cache are looked up; the process's own where not given. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Where /sys, /proc and /dev are looked for; `/` where not given. */
  readonly sysroot?: string;
  /** Folder for saved prompts; without it there is no prompt cache. */
  readonly dataDir?: string;
  /** What is known of a model's speed, for time limits. */
  readonly profileOf?: (model: ModelId) => Profile;
  /** Time limits in place of the usual ones. */
  readonly rules?: DeadlineRules;
  /** Lock file of the NPU, also for the simulator; where not given, the machine's for a real library and none else. */
  readonly npuLock?: string;
  /** How far a worker's memory may grow in place of the usual bound, bytes. */
  readonly growthBytesMax?: number;
};

// Runs, aborts and destroys wait in libuv's pool of four, which files and DNS need too.
const POOL_THREADS = '8';

/** The runtime kind `rkllm`: Rockchip's NPU by librkllmrt, one worker process per model. */
export function createRkllmAdapter(deps: RkllmDeps): RuntimeAdapter {
  const probe = createLibraryProbe(deps.environment ?? process.env, deps.sysroot ?? '/');
  const rules = deps.rules ?? DEADLINES;
  const npu = createNpuMutex();
  /** What the running workers were started for: connecting needs it, and only launching knows it. */
  const launched = new Map<ModelId, LoadMessage>();
  return {
    kind: 'rkllm',
    inspect: async (model, runtime) => inspectModel(model, await probe(runtime, model.settings)),
    launch: async (model, runtime) => {
      const library = await probe(runtime, model.settings);
      if (library.kind === 'unusable')
        throw new GatewayError('runtime_missing', `${library.reason}; ${library.remedy}`);
      launched.set(model.id, await loadMessage(model, library, deps));
      const [command, ...args] = workerCommand();
      return {
        command,
        // The last word is for people who look at the list of processes.
        args: [...args, model.id],
        environment: { UV_THREADPOOL_SIZE: POOL_THREADS, ...model.settings.environment },
        ipc: true,
        byteStream: true,
      };
    },
    connect: (model, _endpoint, channel) => {
      const load = launched.get(model.id);
      if (load === undefined || channel === undefined) {
        throw new GatewayError('start_failed', `the worker of ${model.id} has no message channel`);
      }
      const rates = () => ratesOf(deps.profileOf?.(model.id) ?? {});
      const growth = deps.growthBytesMax === undefined ? {} : { growthBytesMax: deps.growthBytesMax };
      return connectWorker(model, load, channel, { clock: deps.clock, npu, rules, rates, ...growth });
    },
    explainExit,
    loadDeadlineMs: (weightsBytes) => loadLimitMs(weightsBytes, rules),
  };
}

const ratesOf = ({ prefillTokensPerSec, decodeTokensPerSec }: Profile): MeasuredRates => ({
  prefillTokensPerSec: prefillTokensPerSec?.value,
  decodeTokensPerSec: decodeTokensPerSec?.value,
});

async function loadMessage(
  model: ModelPolicy,
  library: Extract<ProbedLibrary, { kind: 'usable' }>,
  { dataDir, npuLock }: RkllmDeps,
): Promise<LoadMessage> {
  const { settings } = model;
  const file = await readModelFile(model.file);
  const bytesMax = settings.promptCacheBytes;
  return {
    kind: 'load',
    library: library.path,
    profile: library.profile,
    runtimeVersion: library.version ?? `profile ${library.profile}`,
    modelFile: model.file,
    modelName: file.facts.model,
    template: settings.template,
    contextTokens: Math.min(settings.context ?? file.contextTokens, file.contextTokens),
    sampling: model.sampling,
    cpuMask: settings.cpuMask,
    embedFlash: settings.embedFlash,
    baseDomainId: settings.baseDomainId,
    lora: settings.lora ?? {},
    // Simulated NPUs are as many as there are gateways.
    npuLock: npuLock ?? (library.simulated ? undefined : npuLockFile()),
    promptCache:
      bytesMax === undefined || dataDir === undefined
        ? undefined
        : { folder: join(dataDir, 'prompt-cache', encodeURIComponent(model.id)), bytesMax },
  };
}
