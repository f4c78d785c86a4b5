import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The kernel's NPU driver as far as it can be seen. */
export type NpuDriver =
  /** Rockchip's own; `version` is undefined where the user may not read it. */
  | { readonly kind: 'rknpu'; readonly version: string | undefined; readonly source: string }
  /** The mainline kernel's `rocket`, another interface. */
  | { readonly kind: 'mainline'; readonly source: string }
  | { readonly kind: 'none' };

/** Looks for the NPU's driver in the files under `sysroot`. */
export function readNpuDriver(sysroot = '/'): NpuDriver {
  for (const path of ['sys/kernel/debug/rknpu/version', 'sys/module/rknpu/version', 'proc/rknpu/version']) {
    const version = /v?(\d+\.\d+\.\d+)/.exec(readText(join(sysroot, path)) ?? '')?.[1];
    if (version !== undefined) return { kind: 'rknpu', version, source: `/${path}` };
  }
  const find = (paths: readonly string[]) => paths.find((path) => existsSync(join(sysroot, path)));
  const vendor = find([
    'sys/module/rknpu',
    'sys/kernel/debug/rknpu',
    'sys/bus/platform/drivers/RKNPU',
    'dev/rknpu',
    'proc/rknpu',
  ]);
  if (vendor !== undefined) return { kind: 'rknpu', version: undefined, source: `/${vendor}` };
  const mainline = find(['sys/module/rocket', 'sys/bus/platform/drivers/rocket', 'dev/accel/accel0']);
  return mainline === undefined ? { kind: 'none' } : { kind: 'mainline', source: `/${mainline}` };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Absent, or root's: the next place is tried.
    return undefined;
  }
}
