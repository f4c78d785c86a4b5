/** Clocks at which Rockchip publishes its figures, kHz. */
export type FixedClocks = {
  readonly npuKhz: number;
  readonly gpuKhz: number | undefined;
  readonly ddrKhz: number;
  /** By the first CPU of a cluster. */
  readonly cpuKhz: Readonly<Record<number, number>>;
};

/**
 * The published set per chip, from rknn-llm's `scripts/fix_freq_*.sh`: governor `userspace`, then these clocks. Figures of
 * other boards compare with ours only at the same clocks.
 */
export const FIXED_CLOCKS: Readonly<Record<string, FixedClocks>> = {
  rk3588: {
    npuKhz: 1_000_000,
    gpuKhz: 1_000_000,
    ddrKhz: 2_112_000,
    cpuKhz: { 0: 1_800_000, 4: 2_352_000, 6: 2_352_000 },
  },
  rk3576: { npuKhz: 1_000_000, gpuKhz: 950_000, ddrKhz: 2_112_000, cpuKhz: { 0: 2_208_000, 4: 2_304_000 } },
  rk3562: { npuKhz: 1_000_000, gpuKhz: undefined, ddrKhz: 2_112_000, cpuKhz: { 0: 2_016_000 } },
  rv1126b: { npuKhz: 950_000, gpuKhz: undefined, ddrKhz: 1_332_000, cpuKhz: { 0: 1_608_000 } },
};
