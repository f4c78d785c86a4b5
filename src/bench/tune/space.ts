import { formatCpuList } from '../../core/format.ts';
import type { RuntimeSettings } from '../../core/policy.ts';

/** Launch settings that a search may change. */
export type TuneSettings = Pick<
  RuntimeSettings,
  'cpus' | 'threads' | 'flashAttention' | 'cacheTypeK' | 'cacheTypeV' | 'batch' | 'ubatch' | 'loadMode'
>;

/** One combination of settings. */
export type Arm = {
  /** The settings in one line; the same for the same settings, so that results are found again. */
  readonly id: string;
  readonly settings: TuneSettings;
  /** Place of its value in each dimension, for finding the arms that differ in one. */
  readonly at: readonly number[];
};

/** CPUs of one speed. */
export type CpuCluster = { readonly cpus: readonly number[]; readonly maxKhz: number | undefined };

/** What is searched: every dimension with its values in an order in which neighbours are alike. */
export type TuneSpace = {
  readonly placements: readonly Pick<TuneSettings, 'cpus' | 'threads'>[];
  readonly flashAttention: readonly ('on' | 'off')[];
  readonly cacheTypes: readonly string[];
  readonly ubatches: readonly number[];
  readonly loadModes: readonly ('mmap' | 'none')[];
};

/**
 * Settings worth trying on a machine: all cores and the fastest cluster alone, each with all its cores, three quarters
 * and half of them as threads (on the reference board six threads on eight cores won); flash attention on and off; KV
 * cache in 16, 8 and 4 bits; batches of 64 to 512 tokens; the file mapped or read.
 */
export function tuneSpace(clusters: readonly CpuCluster[], options: { readonly quantizedCache: boolean }): TuneSpace {
  return {
    placements: placementsOf(clusters),
    flashAttention: ['on', 'off'],
    cacheTypes: options.quantizedCache ? ['f16', 'q8_0', 'q4_0'] : ['f16'],
    ubatches: [64, 128, 256, 512],
    loadModes: ['mmap', 'none'],
  };
}

function placementsOf(clusters: readonly CpuCluster[]): TuneSpace['placements'] {
  const all = clusters.flatMap(({ cpus }) => cpus).toSorted((a, b) => a - b);
  const fastestKhz = Math.max(...clusters.map(({ maxKhz }) => maxKhz ?? 0));
  const fastest = clusters
    .filter(({ maxKhz }) => (maxKhz ?? 0) === fastestKhz)
    .flatMap(({ cpus }) => cpus)
    .toSorted((a, b) => a - b);
  const sets = fastest.length === all.length ? [all] : [all, fastest];
  return sets.flatMap((cpus) => threadCounts(cpus.length).map((threads) => ({ cpus, threads })));
}

const threadCounts = (cores: number): readonly number[] =>
  [...new Set([cores, Math.round(cores * 0.75), Math.max(1, Math.round(cores / 2))])].filter((count) => count >= 1);

/** Every allowed combination. A KV cache in fewer than 16 bits needs flash attention for its values. */
export function allArms(space: TuneSpace): readonly Arm[] {
  const arms: Arm[] = [];
  for (const [p, placement] of space.placements.entries()) {
    for (const [f, flashAttention] of space.flashAttention.entries()) {
      for (const [c, cacheType] of space.cacheTypes.entries()) {
        if (cacheType !== 'f16' && flashAttention === 'off') continue;
        for (const [u, ubatch] of space.ubatches.entries()) {
          for (const [l, loadMode] of space.loadModes.entries()) {
            const cache = { cacheTypeK: cacheType, cacheTypeV: cacheType };
            const settings = { ...placement, flashAttention, ...cache, batch: ubatch, ubatch, loadMode };
            arms.push({ id: armId(settings), settings, at: [p, f, c, u, l] });
          }
        }
      }
    }
  }
  return arms;
}

/** `cpus 0-7, 6 threads, fa on, kv f16, ub 64, mmap`. */
export function armId({ cpus, threads, flashAttention, cacheTypeK, ubatch, loadMode }: TuneSettings): string {
  const where = cpus === undefined ? '' : `cpus ${formatCpuList(cpus)}, `;
  return `${where}${threads} threads, fa ${flashAttention}, kv ${cacheTypeK}, ub ${ubatch}, ${loadMode}`;
}
