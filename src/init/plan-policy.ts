import { checkCompatibility } from '../../runtimes/rkllm/files/compatibility.ts';
import { formatBytes } from '../core/format.ts';
import type { FoundModel, FoundModels } from './find-model-files.ts';
import type { MachineFacts, NpuFacts } from './machine-facts.ts';

/** What a policy for a machine is to say, with the reason of each choice. */
export type PolicyPlan = {
  readonly machine: MachineFacts;
  /** Launch settings of llama.cpp on this machine. */
  readonly launch: LaunchChoice;
  /** Not given to models, bytes. */
  readonly reserveBytes: number;
  readonly models: readonly PlannedModel[];
  readonly floors: { readonly interactive: number; readonly quality: number };
  /** The model of class `route` wherever it is feasible; undefined where there is none for it. */
  readonly routeModel: string | undefined;
  readonly unused: FoundModels['unused'];
};

/** How llama.cpp is launched. */
export type LaunchChoice = {
  readonly threads: number;
  /** Undefined where the kernel may choose. */
  readonly cpus: readonly number[] | undefined;
  readonly context: number;
  /** True: all layers on the CPU, even where a build could use a GPU. */
  readonly cpuOnly: boolean;
  readonly why: string;
};

/** A model as the policy will declare it. */
export type PlannedModel = {
  readonly found: FoundModel;
  /** Prior, 0..1. */
  readonly quality: number;
  readonly keep: 'resident' | 'idle' | 'soon';
  readonly classes: readonly string[] | undefined;
  readonly enabled: boolean;
  readonly aliases: readonly string[];
  /** Why it is kept, limited or disabled. */
  readonly why: string;
};

/** The threads of a machine and what else llama.cpp is launched with. */
export function chooseLaunch({ clusters, cores, memoryBytes, npu }: MachineFacts): LaunchChoice {
  const all = clusters.flatMap(({ cpus }) => cpus).toSorted((a, b) => a - b);
  const memory = memoryBytes ?? 0;
  if (npu?.soc.id === 'rk3588' && all.length === 8) {
    const why = 'won the tuning sweep on an RK3588 with 4B and 9B: all eight cores allowed, six threads';
    return { threads: 6, cpus: all, context: 2048, cpuOnly: true, why };
  }
  const [big] = clusters;
  if (clusters.length > 1 && big !== undefined) {
    const why =
      'the big cores: a thread on a little one makes all others wait at every layer; "sluice tune" finds better';
    return { threads: big.cpus.length, cpus: big.cpus, context: 2048, cpuOnly: npu !== undefined, why };
  }
  const why =
    'one per core: a second hardware thread shares the arithmetic that models need; "sluice tune" finds better';
  const context = memory >= 30e9 ? 8192 : memory >= 14e9 ? 4096 : 2048;
  return { threads: Math.max(1, cores), cpus: undefined, context, cpuOnly: npu !== undefined, why };
}

/**
 * What each model is for on this machine: which stay loaded, which are for the night, which cannot run, and the floors
 * of the classes that the models found can clear. Pure: the same machine and files, the same plan.
 */
export function planPolicy(machine: MachineFacts, found: FoundModels): PolicyPlan {
  const { models, unused } = runnable(machine, found);
  const reserveBytes = (machine.memoryBytes ?? 0) >= 8e9 ? 2e9 : 1e9;
  const budget = machine.memoryBytes === undefined ? undefined : machine.memoryBytes - reserveBytes;
  const judged = models.map((found) => judge(found, machine, budget));
  const routeModel = pickRouteModel(judged);
  const everyday = pickEveryday(judged);
  const kept = residents([routeModel, everyday], budget);
  const planned = judged.map(({ found, quality, fault, night, unready }): PlannedModel => {
    const id = found.id;
    if (fault !== undefined) {
      return { found, quality, keep: 'idle', classes: undefined, enabled: false, aliases: [], why: fault };
    }
    const aliases = found === everyday ? ['default'] : [];
    if (night !== undefined) {
      return { found, quality, keep: 'soon', classes: ['batch'], enabled: true, aliases, why: night };
    }
    const resident = kept.includes(found);
    const why =
      unready ?? (resident ? residentReason(id, routeModel) : `about ${memoryText(found)} while it is loaded`);
    // For a label it would push the resident model off the NPU.
    const classes = found.kind === 'rkllm' && routeModel?.kind === 'rkllm' && !resident ? NOT_ROUTE : undefined;
    return { found, quality, keep: resident ? 'resident' : 'idle', classes, enabled: true, aliases, why };
  });
  const best = Math.max(
    0,
    ...planned.filter(({ enabled, keep }) => enabled && keep !== 'soon').map((one) => one.quality),
  );
  const floor = best >= FLOOR_USUAL ? FLOOR_USUAL : 0;
  return {
    machine,
    launch: chooseLaunch(machine),
    reserveBytes,
    models: planned.toSorted(byRuntimeAndQuality),
    floors: { interactive: floor, quality: floor },
    routeModel: routeModel?.id,
    unused,
  };
}

/** Without an NPU its models are no part of the policy. */
function runnable({ npu }: MachineFacts, { models, unused }: FoundModels): FoundModels {
  if (npu !== undefined) return { models, unused };
  const reason = 'it is for an NPU, which this machine has not';
  const foreign = models.filter(({ kind }) => kind === 'rkllm').map(({ file }) => ({ file, reason }));
  return { models: models.filter(({ kind }) => kind !== 'rkllm'), unused: [...unused, ...foreign] };
}

const NOT_ROUTE = ['interactive', 'quality', 'batch'];
// The floor of the shipped policy, which 4B clears and 2B does not.
const FLOOR_USUAL = 0.65;
/** A model that needs more of the budget leaves no room for another. */
const NIGHT_SHARE = 0.85;
/** Models that stay loaded may take so much of the budget together; the rest is for those that come and go. */
const RESIDENT_SHARE = 0.6;
/** On a board, a model above this decodes below one token per second (size law of the RK3588's CPU: 14B 1.0, 27B 0.54). */
const BOARD_NIGHT_BILLION = 14;

type Judged = {
  readonly found: FoundModel;
  readonly quality: number;
  /** Why it cannot run here. */
  readonly fault?: string;
  /** Why it is for the night only. */
  readonly night?: string;
  /** What is missing before it can run; the gateway looks again at every start. */
  readonly unready?: string;
};

function judge(found: FoundModel, { npu, memoryBytes }: MachineFacts, budget: number | undefined): Judged {
  const quality = found.purpose === 'generation' ? qualityPrior(found.facts.parametersBillion) : 0;
  const needs = found.facts.estimatedMemoryBytes;
  if (found.kind === 'rkllm') return { ...judgeNpu(found, npu), found, quality };
  if (budget !== undefined && memoryBytes !== undefined && needs > budget) {
    const fault = `needs about ${memoryText(found)}, and ${formatBytes(budget)} of the ${formatBytes(memoryBytes)} are for models; a smaller context or quantization may fit`;
    return { found, quality, fault };
  }
  if (found.purpose !== 'generation') return { found, quality };
  if (budget !== undefined && needs > budget * NIGHT_SHARE) {
    return {
      found,
      quality,
      night: `takes nearly all the memory (about ${memoryText(found)}), so it runs alone, at night`,
    };
  }
  if (npu !== undefined && (found.facts.parametersBillion ?? 0) > BOARD_NIGHT_BILLION) {
    return { found, quality, night: 'below one token per second on a board: for the night' };
  }
  return { found, quality };
}

function judgeNpu(found: FoundModel, npu: NpuFacts | undefined): Pick<Judged, 'fault' | 'unready'> {
  const [problem] = checkCompatibility(found.rkllm ?? {}, { soc: npu?.soc, runtimeVersion: npu?.libraryVersion });
  if (problem !== undefined) return { fault: `${problem.reason}; ${problem.remedy}` };
  if (npu?.driver.kind === 'off') return { unready: `not yet: ${npu.driver.reason}` };
  if (npu?.library === undefined) return { unready: 'not yet: librkllmrt.so is not installed' };
  return {};
}

/** Priors of the shipped policy, by billions of parameters. */
const PRIORS: readonly (readonly [number, number])[] = [
  [0.1, 0.2],
  [0.8, 0.42],
  [2, 0.52],
  [4, 0.7],
  [9, 0.8],
  [27, 0.88],
  [120, 0.93],
];

/** Quality assumed of a model of this size: the shipped policy's priors, and between them in proportion to the size's logarithm. */
function qualityPrior(billion: number | undefined): number {
  if (billion === undefined) return 0.5;
  const [first = [0, 0] as const] = PRIORS;
  let [lowSize, low]: readonly [number, number] = first;
  if (billion <= lowSize) return low;
  for (const [size, quality] of PRIORS) {
    if (billion <= size && size > lowSize) {
      const share = Math.log(billion / lowSize) / Math.log(size / lowSize);
      return Math.round((low + share * (quality - low)) * 100) / 100;
    }
    [lowSize, low] = [size, quality];
  }
  return low;
}

/** Below this labels become guesses. */
const ROUTE_FLOOR = 0.4;
// Reading its prompt must take a fraction of a second, which larger ones do not manage on any board.
const ROUTE_BILLION_MAX = 2.5;

const size = ({ found }: Judged): number => found.facts.parametersBillion ?? Number.POSITIVE_INFINITY;

/** The best small model of the NPU, whose first token comes quickest, else the smallest of the CPU that labels well enough. */
function pickRouteModel(judged: readonly Judged[]): FoundModel | undefined {
  const able = judged.filter(
    (one) =>
      one.fault === undefined &&
      one.night === undefined &&
      one.found.purpose === 'generation' &&
      one.quality >= ROUTE_FLOOR &&
      size(one) <= ROUTE_BILLION_MAX,
  );
  const npu = able.filter(({ found, unready }) => found.kind === 'rkllm' && unready === undefined);
  const [best] = npu.toSorted((a, b) => size(b) - size(a));
  if (best !== undefined) return best.found;
  return able.filter(({ found }) => found.kind === 'llama-server').toSorted((a, b) => size(a) - size(b))[0]?.found;
}

// 4B is the largest that a board answers people with in time; on faster machines larger ones win by what is measured.
const EVERYDAY_BILLION_MAX = 5;

/** The model most answers come from: the best of at most 5B on the CPU, else the smallest above. */
function pickEveryday(judged: readonly Judged[]): FoundModel | undefined {
  const able = judged.filter(
    ({ found, fault, night }) =>
      found.kind === 'llama-server' && found.purpose === 'generation' && fault === undefined && night === undefined,
  );
  const [best] = able.filter((one) => size(one) <= EVERYDAY_BILLION_MAX).toSorted((a, b) => b.quality - a.quality);
  return (best ?? able.toSorted((a, b) => size(a) - size(b))[0])?.found;
}

/** Those of the wanted that stay loaded together within their share of the memory, first come first. */
function residents(wanted: readonly (FoundModel | undefined)[], budget: number | undefined): readonly FoundModel[] {
  const kept: FoundModel[] = [];
  let taken = 0;
  for (const found of wanted) {
    if (found === undefined || kept.includes(found)) continue;
    taken += found.facts.estimatedMemoryBytes;
    if (budget === undefined || taken <= budget * RESIDENT_SHARE) kept.push(found);
  }
  return kept;
}

const residentReason = (id: string, routeModel: FoundModel | undefined): string =>
  id === routeModel?.id ? 'short tasks must not wait for a load' : 'the everyday model';

const memoryText = ({ facts }: FoundModel): string => formatBytes(facts.estimatedMemoryBytes);

function byRuntimeAndQuality(a: PlannedModel, b: PlannedModel): number {
  if (a.found.kind !== b.found.kind) return a.found.kind === 'rkllm' ? -1 : 1;
  return a.quality - b.quality || (a.found.id < b.found.id ? -1 : 1);
}
