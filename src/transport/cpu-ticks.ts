import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** USER_HZ, the unit of CPU times under /proc on every architecture Linux runs on today, per second. */
export const TICKS_PER_SEC = 100;

/**
 * Ticks all cores together have worked since boot: user, nice, system, irq, softirq and steal of /proc/stat. Undefined
 * where it cannot be read.
 */
export function cpuTicks(sysroot = '/'): number | undefined {
  const line = /^cpu\s+(.+)$/m.exec(read(join(sysroot, 'proc/stat')) ?? '')?.[1];
  if (line === undefined) return undefined;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.trim().split(/\s+/).map(Number);
  return user + nice + system + irq + softirq + steal;
}

/**
 * Ticks a process has worked with all its threads, and those of children it has waited for; zeros once it is gone.
 * proc(5): the name may hold spaces and brackets, so fields are counted from the last bracket.
 */
export function processTicks(pid: number | 'self', sysroot = '/'): readonly [own: number, endedChildren: number] {
  const text = read(join(sysroot, `proc/${pid}/stat`)) ?? '';
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  return [(fields[11] || 0) + (fields[12] || 0), (fields[13] || 0) + (fields[14] || 0)];
}

/** Pages read from and written to swap since boot; undefined where it cannot be read. */
export function swappedPages(sysroot = '/'): number | undefined {
  const text = read(join(sysroot, 'proc/vmstat'));
  if (text === undefined) return undefined;
  const [into, out] = ['pswpin', 'pswpout'].map((name) => new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
  return Number(into ?? 0) + Number(out ?? 0);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Gone, or no such thing on this machine.
    return undefined;
  }
}
