import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../../core/errors.ts';
import {
  type AxisName,
  cacheTypesOf,
  describeAxis,
  hasQuantizedCache,
  hasQuantizedValues,
  type TuneSettings,
} from './settings.ts';

/** One combination of settings. */
export type Arm = {
  /** The settings in one line; the same for the same settings, so that results are found again. */
  readonly id: string;
  /** What it changes of the settings in force. */
  readonly settings: TuneSettings;
  /** Place of its value on each axis, for finding the arms that differ in one; -1 for a value that is not on the axis. */
  readonly at: readonly number[];
  /** Types of its KV cache where they are quantized, and other than those in force; undefined where nothing is to be checked. */
  readonly cacheToCheck: string | undefined;
};

/** One dimension of the search: values in an order in which neighbours are alike. */
export type Axis = { readonly name: AxisName; readonly values: readonly TuneSettings[] };

/** What is searched, and where the search begins. */
export type TuneSpace = {
  readonly axes: readonly Axis[];
  /** The settings in force, see `settingsInForce`. */
  readonly inForce: TuneSettings;
  /** CPUs of the machine; more threads than CPUs they may run on are never tried. */
  readonly cpuCount: number;
};

/** CPUs of one speed. */
export type CpuCluster = { readonly cpus: readonly number[]; readonly maxKhz: number | undefined };

/** Values to try in place of the usual ones; one value fixes the axis. */
export type NarrowedAxes = {
  /** CPU lists. */
  readonly affinity?: readonly (readonly number[])[];
  readonly threads?: readonly number[];
  readonly flashAttention?: readonly ('on' | 'off')[];
  readonly kv?: readonly { readonly k: string; readonly v: string }[];
  readonly batch?: readonly { readonly batch: number; readonly ubatch: number }[];
  readonly loadMode?: readonly ('mmap' | 'none' | 'mlock')[];
  readonly embedFlash?: readonly boolean[];
  readonly context?: readonly number[];
};

/** CPUs whose clock comes within this share of the fastest one's count as fast: an RK3588's two big clusters differ by a few percent. */
const FAST_SHARE = 0.85;

/** The CPUs by speed: all, and the fast and the slow ones where there are both. */
export function cpuGroups(clusters: readonly CpuCluster[]): {
  readonly all: readonly number[];
  readonly big: readonly number[] | undefined;
  readonly little: readonly number[] | undefined;
} {
  const sorted = (some: readonly CpuCluster[]) => some.flatMap(({ cpus }) => cpus).toSorted((a, b) => a - b);
  const fastest = Math.max(...clusters.map(({ maxKhz }) => maxKhz ?? 0));
  const isFast = ({ maxKhz }: CpuCluster) => (maxKhz ?? 0) >= fastest * FAST_SHARE;
  const all = sorted(clusters);
  const big = sorted(clusters.filter(isFast));
  if (big.length === all.length) return { all, big: undefined, little: undefined };
  return { all, big, little: sorted(clusters.filter((cluster) => !isFast(cluster))) };
}

/** Keys and values alike; keys finer than values, because they bear less; and the one pair that needs no flash attention. */
const CACHE_PAIRS = [
  { k: 'f16', v: 'f16' },
  { k: 'f16', v: 'q8_0' },
  { k: 'q8_0', v: 'f16' },
  { k: 'q8_0', v: 'q8_0' },
  { k: 'q8_0', v: 'q4_0' },
  { k: 'q4_0', v: 'q4_0' },
] as const;
const BATCHES = [64, 128, 256, 512].map((tokens) => ({ batch: tokens, ubatch: tokens }));

/** What a space is made of. */
export type SpaceOptions = {
  /** Kind of the runtime. */
  readonly kind: string;
  readonly inForce: TuneSettings;
  readonly clusters: readonly CpuCluster[];
  readonly narrowed: NarrowedAxes;
};

/**
 * Settings worth trying. llama.cpp: all CPUs, the fast and the slow ones; all, three quarters and half of them as threads
 * (on the reference board six threads on eight cores won); flash attention on and off; KV cache in 16, 8 and 4 bits;
 * batches of 64 to 512 tokens; the file mapped or read. RKLLM: which CPUs help the NPU, and the embedding table in memory
 * or storage. The context changes what a model can be asked for, so it is searched only where values are given.
 * Throws `usage` for an axis that the kind does not have, and for a kind without any.
 */
export function tuneSpace(options: SpaceOptions): TuneSpace {
  const { kind, inForce, clusters, narrowed } = options;
  const axes = kind === 'llama-server' ? llamaAxes(options) : kind === 'rkllm' ? rkllmAxes(options) : [];
  if (axes.length === 0) {
    throw new GatewayError('usage', `runtimes of kind ${kind} have no settings to tune; llama-server and rkllm have`);
  }
  for (const [key, name] of Object.entries(AXIS_OF)) {
    const isGiven = narrowed[key as keyof NarrowedAxes] !== undefined;
    if (isGiven && !axes.some((axis) => axis.name === name)) {
      const known = axes.map((axis) => `--${axis.name}`).join(', ');
      throw new GatewayError('usage', `--${name} is no setting of ${kind} models; they have ${known}`);
    }
  }
  const used = axes.filter(({ values }) => values.length > 0);
  const isNarrowed = (axis: Axis) =>
    Object.entries(AXIS_OF).some(
      ([key, name]) => name === axis.name && narrowed[key as keyof NarrowedAxes] !== undefined,
    );
  return {
    axes: used.map((axis) => (isNarrowed(axis) ? axis : withInForce(axis, inForce))),
    inForce,
    cpuCount: cpuGroups(clusters).all.length,
  };
}

/** The value in force is worth trying together with others, too. */
function withInForce(axis: Axis, inForce: TuneSettings): Axis {
  if (axis.values.some((value) => isInForce(inForce, value))) return axis;
  const keys = Object.keys(axis.values.find((value) => Object.keys(value).length > 0) ?? {}) as (keyof TuneSettings)[];
  const isKnown = keys.length > 0 && keys.every((key) => inForce[key] !== undefined && inForce[key] !== 'auto');
  if (!isKnown) return axis;
  return { ...axis, values: [...axis.values, Object.fromEntries(keys.map((key) => [key, inForce[key]]))] };
}

const AXIS_OF: Readonly<Record<keyof NarrowedAxes, AxisName>> = {
  affinity: 'affinity',
  threads: 'threads',
  flashAttention: 'flash-attention',
  kv: 'kv',
  batch: 'batch',
  loadMode: 'load-mode',
  embedFlash: 'embed-flash',
  context: 'context',
};

function llamaAxes({ inForce, clusters, narrowed }: SpaceOptions): readonly Axis[] {
  const groups = cpuGroups(clusters);
  const sets = narrowed.affinity ?? cpuSets(groups);
  const threads = narrowed.threads ?? threadCounts(sets);
  const pairs = narrowed.kv ?? CACHE_PAIRS;
  // Where nothing binds the process to CPUs now, binding it to all of them would be the same under another name.
  const isUnbound = (cpus: readonly number[]) =>
    inForce.cpus === undefined && narrowed.affinity === undefined && cpus.length === groups.all.length;
  return [
    {
      name: 'affinity',
      values: sets.map((cpus) => (isUnbound(cpus) ? {} : { cpus: heldAs(inForce.cpus, cpus, groups.all) })),
    },
    { name: 'threads', values: threads.map((count) => ({ threads: count })) },
    {
      name: 'flash-attention',
      values: (narrowed.flashAttention ?? ['on', 'off']).map((flashAttention) => ({ flashAttention })),
    },
    { name: 'kv', values: pairs.map(({ k, v }) => ({ cacheTypeK: k, cacheTypeV: v })) },
    { name: 'batch', values: (narrowed.batch ?? BATCHES).map(({ batch, ubatch }) => ({ batch, ubatch })) },
    { name: 'load-mode', values: (narrowed.loadMode ?? ['mmap', 'none']).map((loadMode) => ({ loadMode })) },
    contextAxis(narrowed),
  ];
}

function rkllmAxes({ clusters, narrowed }: SpaceOptions): readonly Axis[] {
  const sets = narrowed.affinity ?? cpuSets(cpuGroups(clusters));
  return [
    { name: 'affinity', values: sets.map((cpus) => ({ cpuMask: maskOf(cpus) })) },
    { name: 'embed-flash', values: (narrowed.embedFlash ?? [true, false]).map((embedFlash) => ({ embedFlash })) },
    contextAxis(narrowed),
  ];
}

const contextAxis = ({ context = [] }: NarrowedAxes): Axis => ({
  name: 'context',
  values: context.map((tokens) => ({ context: tokens })),
});

/** The list in force where it names the same CPUs of this machine: `0-7` on four CPUs is no other place than `0-3`. */
function heldAs(
  inForce: readonly number[] | undefined,
  cpus: readonly number[],
  all: readonly number[],
): readonly number[] {
  const here = inForce?.filter((cpu) => all.includes(cpu));
  return inForce !== undefined && isDeepStrictEqual(here, cpus) ? inForce : cpus;
}

const cpuSets = ({ all, big, little }: ReturnType<typeof cpuGroups>): readonly (readonly number[])[] =>
  [all, big, little].flatMap((cpus) => (cpus === undefined ? [] : [cpus]));

function threadCounts(sets: readonly (readonly number[])[]): readonly number[] {
  const counts = sets.flatMap(({ length }) => [length, Math.round(length * 0.75), Math.max(1, Math.round(length / 2))]);
  return [...new Set(counts)].filter((count) => count >= 1).toSorted((a, b) => a - b);
}

// Numbers and not bits: from 32 CPUs on JavaScript's shifts would wrap.
const maskOf = (cpus: readonly number[]): number => cpus.reduce((sum, cpu) => sum + 2 ** cpu, 0);

/** Every allowed combination. Values in fewer than 16 bits need flash attention; threads need a CPU each. */
export function allArms(space: TuneSpace): readonly Arm[] {
  const places = space.axes.reduce<readonly (readonly number[])[]>(
    (found, { values }) => found.flatMap((at) => values.map((_, place) => [...at, place])),
    [[]],
  );
  return places.flatMap((at) => {
    const arm = armAt(space, at);
    return isAllowed(space, arm.settings) ? [arm] : [];
  });
}

function armAt(space: TuneSpace, at: readonly number[]): Arm {
  const settings = Object.assign({}, ...space.axes.map(({ values }, axis) => values[at[axis] ?? -1] ?? {}));
  return { ...describeArm(space, settings), at };
}

function describeArm(space: TuneSpace, settings: TuneSettings): Omit<Arm, 'at'> {
  const whole = { ...space.inForce, ...settings };
  const cache = cacheTypesOf(whole);
  return {
    id: space.axes.map(({ name }) => describeAxis(name, whole)).join(', '),
    settings,
    cacheToCheck: hasQuantizedCache(whole) && cache !== cacheTypesOf(space.inForce) ? cache : undefined,
  };
}

function isAllowed({ inForce, cpuCount }: TuneSpace, settings: TuneSettings): boolean {
  const { cpus, threads, flashAttention } = { ...inForce, ...settings };
  if (flashAttention === 'off' && hasQuantizedValues({ ...inForce, ...settings })) return false;
  return threads === undefined || threads <= (cpus?.length ?? cpuCount);
}

/** The settings in force as an arm of the space; the same as one of {@link allArms} where every value is on its axis. */
export function currentArm(space: TuneSpace): Arm {
  const at = space.axes.map(({ values }) => values.findIndex((value) => isInForce(space.inForce, value)));
  return { ...describeArm(space, {}), at };
}

const isInForce = (inForce: TuneSettings, value: TuneSettings): boolean =>
  // No value at all is the place of "not bound to any CPU".
  Object.keys(value).length === 0
    ? inForce.cpus === undefined
    : isDeepStrictEqual(
        Object.keys(value).map((key) => inForce[key as keyof TuneSettings]),
        Object.values(value),
      );
