import type { Clock } from '../core/clock.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import { formatDurationMs } from '../core/format.ts';
import type { Child, Incarnation } from './child.ts';
import { runningIn } from './child-machine.ts';
import type { Entry } from './entry.ts';
import type { Lease, ReleaseKind } from './supervisor-types.ts';

/** The least time an engine gets to stop working on an abandoned request; {@link idleLimitOf}. */
const IDLE_LIMIT_MS = 15_000;
/** llama-server's own default of `--ubatch-size`. */
const UBATCH_DEFAULT = 512;
/** One token on a 27B model of a board takes seconds, prompt included; a canary slower than this is no answer. */
export const CANARY_LIMIT_MS = 30_000;
/** So many failed generations in a row and the child is replaced even though its canary sings. */
export const FAILED_LEASES_MAX = 3;
/** A process that died shows its end to us a moment after its sockets break. */
const EXIT_NEWS_MS = 50;

const DONE = Promise.resolve();

/**
 * How long an engine may go on working on an abandoned request before it counts as stuck, ms: at least 15 s. It looks
 * for a closed socket between two micro-batches of a prefill only (llama.cpp issue 15232), and two of them, the one it
 * is in and one it has begun before it saw, are more on a slow board: 67 s for 27B at 1.91 tok/s with 64 tokens each.
 */
export function idleLimitOf(ubatch: number | undefined, prefillTokensPerSec: number | undefined): number {
  if (prefillTokensPerSec === undefined || prefillTokensPerSec <= 0) return IDLE_LIMIT_MS;
  return Math.max(IDLE_LIMIT_MS, ((2 * (ubatch ?? UBATCH_DEFAULT)) / prefillTokensPerSec) * 1000 + 2000);
}

/** Takes a slot of a ready child. The caller has checked that one is free. */
export function takeLease(
  entry: Pick<Entry, 'id' | 'child' | 'idleLimitMs' | 'uses' | 'spec' | 'waiters' | 'giveUpPause'>,
  clock: Clock,
  timing: { readonly cold: boolean; readonly loadMs: number },
): Lease {
  const { id: model, child } = entry;
  const incarnation = child.incarnation;
  if (incarnation === undefined) throw new GatewayError('model_unavailable', `${model} has no running process`);
  child.occupy();
  entry.uses.add(clock.nowMs());
  let released: Promise<void> | undefined;
  let isPaused = false;
  const resume = () => {
    if (!isPaused) return;
    isPaused = false;
    entry.giveUpPause = undefined;
    if (incarnation.alive) incarnation.process.signal('SIGCONT');
  };
  return {
    model,
    connection: incarnation.connection,
    loadMs: timing.loadMs,
    cold: timing.cold,
    pausable: entry.spec?.adapter.pausable === true,
    resume,
    pause: (giveUp) => {
      if (isPaused || released !== undefined || !incarnation.alive || !canPause(entry)) return false;
      isPaused = true;
      // The kernel frees the cores at once; memory and sockets stay, and it goes on in the middle of a matrix.
      incarnation.process.signal('SIGSTOP');
      entry.giveUpPause = () => {
        resume();
        giveUp();
      };
      return true;
    },
    release: (how) => {
      resume();
      released ??= giveBack(entry, incarnation, clock, how);
      return released;
    },
  };
}

const canPause = ({ spec, child: { state }, waiters }: Pick<Entry, 'spec' | 'child' | 'waiters'>): boolean =>
  spec?.adapter.pausable === true && state.kind === 'busy' && state.running === 1 && waiters.length === 0;

type Lender = Pick<Entry, 'child' | 'idleLimitMs'>;

function giveBack(entry: Lender, incarnation: Incarnation, clock: Clock, how: ReleaseKind): Promise<void> {
  const { child } = entry;
  if (!incarnation.alive) return DONE;
  switch (how) {
    case 'ok':
      incarnation.failedLeases = 0;
      child.vacate(incarnation, true);
      return DONE;
    case 'aborted':
      return afterAbort(entry, incarnation, clock);
    case 'failed':
      return afterFailure(child, incarnation, clock);
  }
}

async function afterAbort({ child, idleLimitMs }: Lender, incarnation: Incarnation, clock: Clock): Promise<void> {
  try {
    // The slots of a child with several may belong to others, who have not left.
    const othersRunning = () => Math.max(0, runningIn(child.state) - 1);
    await within(idleLimitMs(), clock, (signal) => incarnation.connection.idle(signal, othersRunning));
    child.vacate(incarnation, false);
  } catch (error) {
    if (!incarnation.alive) return;
    await child.drain(`it did not stop an abandoned generation: ${messageOf(error)}`, 0);
  }
}

async function afterFailure(child: Child, incarnation: Incarnation, clock: Clock): Promise<void> {
  incarnation.failedLeases += 1;
  await Promise.race([incarnation.process.ended, clock.sleep(EXIT_NEWS_MS)]);
  if (!incarnation.alive) return;
  if (incarnation.failedLeases >= FAILED_LEASES_MAX) {
    await child.replace(`${incarnation.failedLeases} generations failed in a row although it says it is healthy`);
    return;
  }
  try {
    await within(CANARY_LIMIT_MS, clock, (signal) => incarnation.connection.canary(signal));
    child.vacate(incarnation, false);
  } catch (error) {
    if (!incarnation.alive) return;
    await child.replace(`a generation failed and so did a one-token test after it: ${messageOf(error)}`);
  }
}

async function within(limitMs: number, clock: Clock, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const abort = new AbortController();
  const cancel = clock.after(limitMs, () =>
    abort.abort(new GatewayError('timeout', `nothing came within ${formatDurationMs(limitMs)}`)),
  );
  try {
    await work(abort.signal);
  } finally {
    cancel();
  }
}
