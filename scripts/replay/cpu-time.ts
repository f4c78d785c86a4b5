import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { systemClock } from '../../src/core/clock.ts';

/** Shares of all CPUs of this machine, 0..1, between two moments. */
export type CpuLoad = {
  readonly seconds: number;
  readonly cpus: number;
  /** By the gateway and its children. */
  readonly gateway: number;
  /** By the sender of the requests. */
  readonly sender: number;
  /** By everything on the machine. */
  readonly machine: number;
};

/** Begins to measure a process with all it starts; the returned function ends it. */
export function measureLoad(pid: number): () => CpuLoad {
  const began = {
    ms: systemClock.monotonicMs(),
    tree: treeTicks(pid),
    machine: machineTicks(),
    own: process.cpuUsage(),
  };
  return () => {
    const seconds = (systemClock.monotonicMs() - began.ms) / 1000;
    const cpus = availableParallelism();
    const own = process.cpuUsage(began.own);
    const machine = machineTicks();
    const round = (share: number) => Math.round(share * 1000) / 1000;
    return {
      seconds: Math.round(seconds),
      cpus,
      gateway: round((treeTicks(pid) - began.tree) / TICKS_PER_SECOND / seconds / cpus),
      sender: round((own.user + own.system) / 1e6 / seconds / cpus),
      machine: round((machine.busy - began.machine.busy) / (machine.all - began.machine.all)),
    };
  };
}

/** USER_HZ of every Linux there is to run on. */
const TICKS_PER_SECOND = 100;

/** Of a process, its living descendants, and those of them that have ended and been waited for. */
function treeTicks(root: number): number {
  const parents = new Map<number, number>();
  const ticks = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statOf(name);
    if (fields === undefined) continue;
    parents.set(Number(name), Number(fields[1]));
    // utime, stime, cutime, cstime: fields 14 to 17 of proc(5), here counted from the state.
    ticks.set(
      Number(name),
      fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0),
    );
  }
  let sum = 0;
  for (const [pid, own] of ticks) if (descends(pid, root, parents)) sum += own;
  return sum;
}

function descends(pid: number, root: number, parents: ReadonlyMap<number, number>): boolean {
  for (let one: number | undefined = pid; one !== undefined && one > 1; one = parents.get(one)) {
    if (one === root) return true;
  }
  return false;
}

function statOf(pid: string): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    // It ended between the two looks.
    return undefined;
  }
}

function machineTicks(): { readonly busy: number; readonly all: number } {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const fields = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const all = fields.reduce((sum, field) => sum + field, 0);
  return { busy: all - (fields[3] ?? 0) - (fields[4] ?? 0), all };
}
