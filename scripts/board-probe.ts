/**
 * One probe of `scripts/board-day`, in a process of its own: `board-probe.ts <name> <setup as JSON>`, started with an
 * IPC channel. `hold` loads the model and keeps it until it is killed. Ends itself by SIGKILL, because a process that
 * still has a call in the library never ends on its own.
 */
import { messageOf } from '../src/core/errors.ts';
import type { FromProbe, ProbeSetup } from './board-checks/probe-types.ts';
import { PROBES, type Probe } from './board-checks/probes.ts';
import { openSession } from './board-checks/session.ts';

const [name = '', json = '{}'] = process.argv.slice(2);
const setup: ProbeSetup = JSON.parse(json);

// Nobody must be left behind holding the NPU.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

if (name === 'hold') await hold();
else {
  await tell(await ask(PROBES[name as keyof typeof PROBES]));
  process.kill(process.pid, 'SIGKILL');
}

/** Keeps the model loaded until the parent kills the process. */
async function hold(): Promise<void> {
  try {
    await openSession(setup);
    // The open channel keeps the process alive.
    process.channel?.ref();
    await tell({ kind: 'held' });
  } catch (error) {
    await tell({ kind: 'failed', message: messageOf(error) });
  }
}

async function ask(probe: Probe | undefined): Promise<FromProbe> {
  if (probe === undefined) return { kind: 'failed', message: `no probe is called ${name}` };
  try {
    return { kind: 'done', finding: await probe(setup) };
  } catch (error) {
    return { kind: 'failed', message: messageOf(error) };
  }
}

function tell(message: FromProbe): Promise<void> {
  return new Promise((resolve) => process.send?.(message, () => resolve()));
}
