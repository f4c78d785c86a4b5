import { InvalidArgumentError } from 'commander';
import { systemClock } from '../core/clock.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { Policy } from '../core/policy.ts';
import { type Machine, openMachine } from '../machine.ts';
import { createEventBus } from '../observe/event-bus.ts';
import { parseDurationMs } from '../policy/units.ts';
import { runBeforeStart } from '../supervise/before-start.ts';
import { createProgressLine, type ProgressLine } from './progress-line.ts';

/** What a command that measures works with. */
export type Measuring = {
  readonly machine: Machine;
  /** Aborts at the first Ctrl-C; a second one ends the process, and the children with it. */
  readonly signal: AbortSignal;
  readonly progress: ProgressLine;
};

/**
 * Takes the data directory for measuring, runs the policy's `before_start`, does the work and leaves no child behind.
 * Ends the process with 1 where the work was interrupted. Rejects with `data_directory_locked` while a gateway runs.
 */
export async function measuring(
  policy: Policy,
  options: { readonly data: string },
  work: (parts: Measuring) => Promise<void>,
): Promise<void> {
  const progress = createProgressLine(process.stderr);
  const events = createEventBus();
  events.subscribe((event) => {
    if (event.kind === 'gateway.notice' && event.level !== 'info') progress.say(event.message);
  });
  const machine = await lockedMachine(options, policy, events);
  const interrupt = onInterrupt(() =>
    progress.say('stopping; what was measured is kept, --resume goes on with it (again: at once)'),
  );
  try {
    const before = await runBeforeStart(policy.machine, {
      clock: systemClock,
      emit: events.emit,
      dataDir: options.data,
    });
    try {
      await work({ machine, signal: interrupt.signal, progress });
      if (interrupt.signal.aborted) process.exitCode = 1;
    } finally {
      await machine.supervisor.stop(0);
      await before.stop();
    }
  } finally {
    progress.clear();
    interrupt.forget();
    await machine.close(0);
  }
}

async function lockedMachine(
  options: { readonly data: string },
  policy: Policy,
  events: ReturnType<typeof createEventBus>,
): Promise<Machine> {
  try {
    const given = { dataDir: options.data, clock: systemClock, events, environment: process.env };
    return await openMachine(given, (id) => policy.models.get(id));
  } catch (error) {
    throw explainLock(error);
  }
}

/** What a held lock means here: the gateway's own message would not say why it matters to a measurement. */
function explainLock(error: unknown): unknown {
  if (!(error instanceof GatewayError) || error.code !== 'data_directory_locked') return error;
  const hint = 'measuring beside a running gateway would measure its work too: stop it first';
  return new GatewayError(error.code, `${error.message}; ${hint}`, { cause: error });
}

function onInterrupt(announce: () => void): { readonly signal: AbortSignal; readonly forget: () => void } {
  const controller = new AbortController();
  const interrupted = () => {
    if (controller.signal.aborted) process.exit(130);
    announce();
    controller.abort(new GatewayError('cancelled', 'interrupted'));
  };
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted);
  return {
    signal: controller.signal,
    forget: () => process.off('SIGINT', interrupted).off('SIGTERM', interrupted),
  };
}

/** A duration of the command line, ms; throws what commander reports as wrong usage. */
export function parseTime(text: string): number {
  try {
    return parseDurationMs(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

/** Quiet time after a load, ms; `0` needs no unit. */
export const parseSettle = (text: string): number => (text === '0' ? 0 : parseTime(text));
