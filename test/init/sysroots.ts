import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

/** Files of an RK3588 board with 24 GB on Rockchip's kernel, by their path without the leading slash. */
export const RK3588_FILES: Readonly<Record<string, string>> = {
  'proc/meminfo': 'MemTotal:       24390168 kB\nMemAvailable:   23014212 kB\nSwapTotal:             0 kB\n',
  'sys/firmware/devicetree/base/model': 'Radxa ROCK 5B\0',
  'sys/firmware/devicetree/base/compatible': 'radxa,rock-5b\0rockchip,rk3588\0',
  'sys/devices/system/cpu/online': '0-7\n',
  ...cluster(0, '0 1 2 3', 1_800_000),
  ...cluster(4, '4 5', 2_256_000),
  ...cluster(6, '6 7', 2_304_000),
  'sys/kernel/debug/rknpu/version': 'RKNPU driver: v0.9.8\n',
  'usr/lib/librkllmrt.so': '\0\0RKLLM SDK (version: 1.2.3 (abcdef))\0\0',
};

/** Files of a PC with four cores of two threads each and 16 GB. */
export const X86_FILES: Readonly<Record<string, string>> = {
  'proc/meminfo': 'MemTotal:       16262032 kB\nMemAvailable:   15014212 kB\nSwapTotal:       2000000 kB\n',
  'sys/class/dmi/id/product_name': 'Example Z-100\n',
  'sys/devices/system/cpu/online': '0-7\n',
  ...Object.fromEntries(
    [0, 1, 2, 3, 4, 5, 6, 7].map((cpu) => [
      `sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`,
      `${cpu % 4},${(cpu % 4) + 4}\n`,
    ]),
  ),
};

/** Writes files into a folder of this test that stands for `/`. */
export function writeSysroot(files: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

function cluster(first: number, cpus: string, maxKhz: number): Record<string, string> {
  const folder = `sys/devices/system/cpu/cpufreq/policy${first}`;
  return { [`${folder}/affected_cpus`]: `${cpus}\n`, [`${folder}/cpuinfo_max_freq`]: `${maxKhz}\n` };
}
