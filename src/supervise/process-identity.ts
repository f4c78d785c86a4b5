import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/**
 * A process for good: a pid alone is handed out again, a pid with its start time and the boot it happened in is not.
 */
export type ProcessIdentity = {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot. */
  readonly startTicks: string;
  /** /proc/sys/kernel/random/boot_id; start times compare only within one boot. */
  readonly bootId: string;
};

/** Identity of a running process; undefined when there is none (a zombie counts as gone) or /proc is missing. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  try {
    // The command name, in parentheses, may hold spaces and parentheses itself: fields count from the last one.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, startTicks] = [fields[0], fields[19]];
    if (startTicks === undefined || state === 'Z' || state === 'X') return undefined;
    return { pid, startTicks, bootId: bootId() };
  } catch {
    // Gone between two looks: that is the answer.
    return undefined;
  }
}

/** True while exactly this process runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  const current = identifyProcess(identity.pid);
  return current?.startTicks === identity.startTicks && current.bootId === identity.bootId;
}

/** Reads an identity out of parsed JSON; undefined when it is none. */
export function parseIdentity(value: unknown): ProcessIdentity | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, startTicks, bootId: boot } = value as Record<string, unknown>;
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid < 1) return undefined;
  if (typeof startTicks !== 'string' || typeof boot !== 'string') return undefined;
  return { pid, startTicks, bootId: boot };
}

/** Resident memory of a process in bytes, from /proc/PID/status; undefined when it is gone. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  try {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'));
    return match === null ? undefined : Number(match[1]) * 1024;
  } catch {
    // The process has ended.
    return undefined;
  }
}

let cachedBootId: string | undefined;

function bootId(): string {
  cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return cachedBootId;
}
