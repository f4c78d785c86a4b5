import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  backoffMs,
  type ChildEvent,
  type ChildState,
  holdsProcess,
  INITIAL_STATE,
  next,
  runningIn,
  START_FAILURES_MAX,
} from '../../src/supervise/child-machine.ts';

const anyEvent: fc.Arbitrary<ChildEvent> = fc.oneof(
  ...(['start', 'spawned', 'loaded', 'acquired', 'settled', 'retry', 'reset'] as const).map((kind) =>
    fc.constant({ kind }),
  ),
  fc.boolean().map((worked) => ({ kind: 'released', worked }) as const),
  fc.constant({ kind: 'drain', reason: 'asked' } as const),
  fc.constant({ kind: 'broken', reason: 'useless' } as const),
  fc.boolean().map((permanent) => ({ kind: 'exited', reason: 'gone', permanent }) as const),
);

const run = (...events: readonly (ChildEvent | ChildEvent['kind'])[]): ChildState =>
  events.reduce<ChildState>(
    (state, event) => next(state, typeof event === 'string' ? whole(event) : event),
    INITIAL_STATE,
  );

function whole(kind: ChildEvent['kind']): ChildEvent {
  if (kind === 'released') return { kind, worked: true };
  if (kind === 'drain' || kind === 'broken') return { kind, reason: 'why' };
  if (kind === 'exited') return { kind, reason: 'why', permanent: false };
  return { kind };
}

/** The arrows of the picture in the source; anything else is a bug. */
const ARROWS: Readonly<Record<ChildState['kind'], readonly ChildState['kind'][]>> = {
  stopped: ['starting'],
  starting: ['loading', 'draining', 'backoff', 'failed'],
  loading: ['ready', 'draining', 'backoff', 'failed'],
  ready: ['busy', 'draining', 'backoff', 'failed'],
  busy: ['ready', 'draining', 'backoff', 'failed'],
  draining: ['stopped', 'backoff', 'failed'],
  backoff: ['stopped'],
  failed: ['stopped'],
};

describe('next', () => {
  it('takes no way but the arrows, whatever happens in whatever order', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 80 }), (events) => {
        let state = INITIAL_STATE;
        for (const event of events) {
          const after = next(state, event);
          if (after.kind !== state.kind) expect(ARROWS[state.kind]).toContain(after.kind);
          state = after;
        }
      }),
    );
  });

  it('counts generations as leases and releases do, and never below none', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 80 }), (events) => {
        let state = INITIAL_STATE;
        for (const event of events) {
          const after = next(state, event);
          expect(runningIn(after)).toBeGreaterThanOrEqual(0);
          if (after.kind === 'busy') expect(after.running).toBeGreaterThan(0);
          const step = runningIn(after) - runningIn(state);
          if (step > 0) expect(event.kind).toBe('acquired');
          if (step < 0) expect(['released', 'exited']).toContain(event.kind);
          state = after;
        }
      }),
    );
  });

  it('fails only for good reason: five failures, or one that is permanent', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 80 }), (events) => {
        let state = INITIAL_STATE;
        for (const event of events) {
          const after = next(state, event);
          if (after.kind === 'failed' && state.kind !== 'failed') {
            const permanent = event.kind === 'exited' && event.permanent;
            expect(permanent || after.failures >= START_FAILURES_MAX).toBe(true);
          }
          if (after.kind === 'backoff') expect(after.failures).toBeLessThan(START_FAILURES_MAX);
          state = after;
        }
      }),
    );
  });

  it('comes to rest from every state once it is asked to go and its process has ended', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
        const reached = events.reduce(next, INITIAL_STATE);
        const end = next(next(reached, whole('drain')), whole('exited'));
        expect(end.kind).toBe('stopped');
        expect(holdsProcess(end)).toBe(false);
      }),
    );
  });

  it('returns the same object where nothing changes', () => {
    const ready = run('start', 'spawned', 'loaded');
    for (const kind of ['start', 'spawned', 'loaded', 'released', 'settled', 'retry', 'reset'] as const) {
      expect(next(ready, whole(kind))).toBe(ready);
    }
  });

  it('backs off after a crash while ready', () => {
    expect(run('start', 'spawned', 'loaded', 'exited')).toEqual({ kind: 'backoff', failures: 1, reason: 'why' });
  });

  it('counts failed starts in a row up to failed', () => {
    const attempt = ['start', 'spawned', 'exited', 'retry'] as const;
    expect(run(...attempt, ...attempt, ...attempt, ...attempt)).toEqual({ kind: 'stopped', failures: 4 });
    expect(run(...attempt, ...attempt, ...attempt, ...attempt, ...attempt)).toMatchObject({
      kind: 'failed',
      failures: 5,
    });
  });

  it('counts a child that loads but dies at its first request as failing too', () => {
    const attempt = ['start', 'spawned', 'loaded', 'acquired', 'exited', 'retry'] as const;
    expect(run(...attempt, ...attempt, ...attempt, ...attempt, ...attempt)).toMatchObject({ kind: 'failed' });
  });

  it('forgets failures after a generation that worked, or after standing ready for a while', () => {
    const once = ['start', 'exited', 'retry', 'start', 'spawned', 'loaded'] as const;
    expect(run(...once, 'acquired', 'released')).toEqual({ kind: 'ready', failures: 0 });
    expect(run(...once, 'settled')).toEqual({ kind: 'ready', failures: 0 });
    expect(run(...once, 'acquired', { kind: 'released', worked: false })).toEqual({ kind: 'ready', failures: 1 });
  });

  it('backs off after replacing a useless child, unless it was asked to go meanwhile', () => {
    expect(run('start', 'spawned', 'loaded', 'broken', 'exited')).toMatchObject({ kind: 'backoff', failures: 1 });
    expect(run('start', 'spawned', 'loaded', 'broken', 'drain', 'exited').kind).toBe('stopped');
  });
});

describe('backoffMs', () => {
  it('doubles from one second', () => {
    expect([1, 2, 3, 4].map((failures) => backoffMs(failures, 0.5))).toEqual([1000, 2000, 4000, 8000]);
  });

  it('stays within a quarter of its base and under a minute', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, chance) => {
        const base = Math.min(1000 * 2 ** (failures - 1), 60_000);
        const delayMs = backoffMs(failures, chance);
        expect(delayMs).toBeGreaterThanOrEqual(Math.floor(base * 0.75));
        expect(delayMs).toBeLessThanOrEqual(Math.min(60_000, Math.ceil(base * 1.25)));
      }),
    );
  });
});
