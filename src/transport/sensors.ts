import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A part's load or slow-down, 0..1. */
export type Share = { readonly name: string; readonly share: number };

/**
 * Load of each NPU core as Rockchip's driver tells it (`NPU load:  Core0: 12%, Core1:  0%,`; one core: `NPU load:  3%`).
 * Empty where there is no such driver, or only root may read it.
 */
export function npuLoad(sysroot = '/'): readonly Share[] {
  const text = read(join(sysroot, 'sys/kernel/debug/rknpu/load')) ?? read(join(sysroot, 'proc/rknpu/load')) ?? '';
  const cores = [...text.matchAll(/Core(\d+):\s*(\d+)%/g)];
  if (cores.length > 0) return cores.map(([, core = '0', percent]) => ({ name: core, share: Number(percent) / 100 }));
  const whole = /load:\s*(\d+)%/i.exec(text)?.[1];
  return whole === undefined ? [] : [{ name: '0', share: Number(whole) / 100 }];
}

/**
 * Cooling devices that slow a CPU, GPU, NPU or memory down, by how far they do: step now over the last step. Fans are
 * not among them: they cool without costing speed.
 */
export function slowDowns(sysroot = '/'): readonly Share[] {
  const folder = join(sysroot, 'sys/class/thermal');
  const found = names(folder).flatMap((device) => {
    const value = (file: string) => read(join(folder, device, file))?.trim();
    const type = value('type') ?? '';
    const [now, last] = [Number(value('cur_state')), Number(value('max_state'))];
    if (!/cpufreq|devfreq|cpu-|processor/i.test(type) || !(last > 0) || !(now >= 0)) return [];
    return [{ name: type, share: now / last }];
  });
  return highestByName(found);
}

/** One of each name, the highest: an x86 machine has a cooling device of the same name per core. */
function highestByName(shares: readonly Share[]): readonly Share[] {
  const highest = new Map<string, number>();
  for (const { name, share } of shares) highest.set(name, Math.max(share, highest.get(name) ?? share));
  return [...highest].map(([name, share]) => ({ name, share }));
}

/** File descriptors this process holds open; undefined where /proc is not there. */
export function openFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return undefined;
  }
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => /^cooling_device\d+$/.test(name));
  } catch {
    // A machine without thermal framework, such as a container.
    return [];
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
