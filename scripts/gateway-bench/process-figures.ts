import { readdirSync, readFileSync } from 'node:fs';

// USER_HZ: the unit of the times in /proc/PID/stat, 100 on every Linux that Node runs on (proc_pid_stat(5)).
const TICK_US = 10_000;

/** CPU time a process has used, user and system, µs, in steps of 10 ms. 0 when it is gone. */
export function cpuUs(pid: number): number {
  const fields = readProc(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * TICK_US;
}

/** Resident memory of a process, bytes. 0 when it is gone. */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readProc(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
}

/** Processes whose parent is `pid` and whose command line names `program`. */
export function childPids(pid: number, program: string): readonly number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids
    .map(Number)
    .filter((other) => parentOf(other) === pid && commandLine(other).some((word) => word.endsWith(program)));
}

/** Command line of a process, word by word; empty when it is gone. */
export const commandLine = (pid: number): readonly string[] =>
  readProc(`/proc/${pid}/cmdline`).split('\0').slice(0, -1);

/** One variable of a process's first environment. */
export const environmentOf = (pid: number, name: string): string | undefined =>
  readProc(`/proc/${pid}/environ`)
    .split('\0')
    .find((entry) => entry.startsWith(`${name}=`))
    ?.slice(name.length + 1);

const parentOf = (pid: number): number => Number(/^PPid:\s+(\d+)$/m.exec(readProc(`/proc/${pid}/status`))?.[1] ?? -1);

function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // the process has ended between listing and reading
  }
}
