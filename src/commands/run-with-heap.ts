import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { OWN_ENVIRONMENT } from '../core/own-environment.ts';
import { type PolicyWithText, readPolicy } from '../policy/load.ts';

/** V8 reports its limit with the young generation added. */
const SLACK = 1.5;

/**
 * Runs `start` here, or, where `machine.node_heap` asks for another heap than this process has, in a process of its
 * own with that limit: V8 takes it only at its start. `start` is given the policy that was read for this. The other process gets our signals and ends with us.
 */
export async function runWithHeap(policyFile: string, start: (known: PolicyWithText) => Promise<void>): Promise<void> {
  const known = await readPolicy(policyFile);
  const wanted = known.policy.machine.nodeHeapBytes;
  const limit = getHeapStatistics().heap_size_limit;
  if (wanted === undefined || (limit >= wanted && limit <= wanted * SLACK) || process.connected) {
    if (process.connected) {
      process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
      // Listening keeps the channel open, and the channel the process: it would never end after its work.
      process.channel?.unref();
    }
    return start(known);
  }
  const megabytes = Math.ceil(wanted / 1024 / 1024);
  const child = spawn(
    process.execPath,
    [...process.execArgv, `--max-old-space-size=${megabytes}`, ...process.argv.slice(1)],
    {
      // The channel closes when we die, however we die; that is how the other process learns of it.
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      // In our process group a Ctrl-C would reach it twice, from the terminal and from us, and the second one means
      // "stop at once".
      detached: true,
      env: { ...process.env, ...OWN_ENVIRONMENT },
    },
  );
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  process.exitCode = code ?? (signal === null ? 1 : 128 + constants.signals[signal]);
}
