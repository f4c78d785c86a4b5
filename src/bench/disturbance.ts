import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { readMachineState } from './fingerprint.ts';
import type { MachineState } from './result.ts';

/** What to watch while a sample is taken. */
export type WatchedWork = {
  readonly clock: Clock;
  /** Processes whose work is the measurement's own, beside this one. */
  readonly pids: () => readonly number[];
  /** True where the work is done by children of this process that have ended by the time it is over (llama-bench). */
  readonly byEndedChildren?: boolean;
  readonly sysroot?: string;
  /** Clocks of the NPU matter only to models that run there. */
  readonly usesNpu: boolean;
};

/** Clock changes beyond this share flag a sample: decode time follows the clock nearly one to one. */
const FREQUENCY_CHANGE_MAX = 0.03;
/** Foreign work above so many cores flags a sample: a tenth of one core is what an idle desktop and its timers take. */
const FOREIGN_CORES_MAX = 0.25;
/** The kernel counts CPU time in ticks of 10 ms per core; shorter samples than this tell nothing of foreign load. */
const FOREIGN_MIN_MS = 300;
/** USER_HZ, the unit of /proc/stat on every architecture Linux runs on today. */
const TICKS_PER_SEC = 100;
const LOOK_EVERY_MS = 500;

/** Runs `measure` and says what disturbed it; what it throws is thrown on. See {@link watchDisturbance}. */
export async function watched<Value>(
  work: WatchedWork,
  measure: () => Promise<Value>,
): Promise<{ readonly value: Value; readonly flags: readonly string[] }> {
  const watch = watchDisturbance(work);
  try {
    const value = await measure();
    return { value, flags: watch.flags() };
  } finally {
    watch.stop();
  }
}

/**
 * Watches the machine until it is stopped; `flags` says what has disturbed the work so far, e.g.
 * `CPUs 4-7 changed their clock between 1608 and 2304 MHz`; empty = nothing was seen. What cannot be read flags nothing.
 */
function watchDisturbance(work: WatchedWork): { readonly flags: () => readonly string[]; readonly stop: () => void } {
  const { clock, sysroot } = work;
  const startedMs = clock.monotonicMs();
  const before = cpuTicks(sysroot);
  const ownBefore = ownTicks(work);
  const clocks = new Map<string, { lowest: number; highest: number }>();
  const look = (isStart: boolean) => {
    for (const { name, khz, isSteady } of clocksOf(readMachineState(clock.nowMs(), sysroot), work.usesNpu)) {
      // A governor that follows the load is expected to start low: only what it does under load counts.
      if (isStart && !isSteady) continue;
      const seen = clocks.get(name);
      if (seen === undefined) clocks.set(name, { lowest: khz, highest: khz });
      else {
        seen.lowest = Math.min(seen.lowest, khz);
        seen.highest = Math.max(seen.highest, khz);
      }
    }
  };
  let cancel = () => {};
  const again = () => {
    cancel = clock.after(LOOK_EVERY_MS, () => {
      look(false);
      again();
    });
  };
  look(true);
  again();
  const flags = () => {
    look(false);
    const tookMs = clock.monotonicMs() - startedMs;
    const foreign = foreignCores(before, cpuTicks(sysroot), ownTicks(work) - ownBefore, tookMs);
    const moved = [...clocks].flatMap(([name, { lowest, highest }]) =>
      highest > 0 && (highest - lowest) / highest > FREQUENCY_CHANGE_MAX
        ? [`${name} changed its clock between ${megahertz(lowest)} and ${megahertz(highest)} MHz`]
        : [],
    );
    return foreign === undefined || foreign <= FOREIGN_CORES_MAX
      ? moved
      : [...moved, `other programs used ${foreign.toFixed(1)} cores`];
  };
  return { flags, stop: () => cancel() };
}

const megahertz = (khz: number): number => Math.round(khz / 1000);

type SeenClock = { readonly name: string; readonly khz: number; readonly isSteady: boolean };

function clocksOf(state: MachineState, usesNpu: boolean): readonly SeenClock[] {
  const cpus = state.frequencies.map((one) => ({ ...one, name: `CPUs ${one.cpus}` }));
  const devices = (state.deviceClocks ?? [])
    .filter(({ device }) => !device.includes('gpu') && (usesNpu || !device.includes('npu')))
    .map((one) => ({ ...one, name: one.device }));
  return [...cpus, ...devices].flatMap(({ name, currentKhz, governor }) =>
    currentKhz === undefined
      ? []
      : [{ name, khz: currentKhz, isSteady: governor === 'performance' || governor === 'userspace' }],
  );
}

function foreignCores(
  before: number | undefined,
  after: number | undefined,
  own: number,
  tookMs: number,
): number | undefined {
  if (before === undefined || after === undefined || tookMs < FOREIGN_MIN_MS) return undefined;
  return Math.max(0, after - before - own) / TICKS_PER_SEC / (tookMs / 1000);
}

/** Ticks the machine worked: user, nice, system, irq, softirq and steal of /proc/stat. */
function cpuTicks(sysroot = '/'): number | undefined {
  const line = /^cpu\s+(.+)$/m.exec(read(join(sysroot, 'proc/stat')) ?? '')?.[1];
  if (line === undefined) return undefined;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.trim().split(/\s+/).map(Number);
  return user + nice + system + irq + softirq + steal;
}

function ownTicks({ pids, byEndedChildren, sysroot }: WatchedWork): number {
  const [own = 0, endedChildren = 0] = processTicks('self', sysroot);
  const children = pids().reduce((sum, pid) => sum + (processTicks(pid, sysroot)[0] ?? 0), 0);
  return own + children + (byEndedChildren === true ? endedChildren : 0);
}

/**
 * utime + stime of a process, all its threads, and the same of children it has waited for; zeros once it is gone.
 * proc(5): the name may hold spaces and brackets, so fields are counted from the last bracket.
 */
function processTicks(pid: number | string, sysroot = '/'): readonly number[] {
  const text = read(join(sysroot, `proc/${pid}/stat`)) ?? '';
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  return [(fields[11] || 0) + (fields[12] || 0), (fields[13] || 0) + (fields[14] || 0)];
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Gone, or no such thing on this machine.
    return undefined;
  }
}
