/**
 * The states of one child, and nothing else: no clock, no process, no log. `child.ts` owns the process and feeds this.
 *
 *   stopped ─start→ starting ─spawned→ loading ─loaded→ ready ⇄ busy
 *      ↑               │                  │               │      │
 *      │               └──── exited ──────┴──── exited ───┴──────┤
 *      │                                                         ▼
 *      ├──── retry ───────────────────────────────────────── backoff ── 5th in a row, or hopeless ─→ failed
 *      │                                                         ▲                                     │
 *      └── exited ── draining ←── drain │ broken (then backoff) ─┘              reset, drain → stopped ┘
 *
 * `failures` counts failed starts and crashes since the child last proved itself: by a generation that worked, or by
 * having stood ready for a while. It lives in every state, because a child that loads and then dies at each first
 * request is a crash loop too.
 */
export type ChildState =
  | { readonly kind: 'stopped'; readonly failures: number }
  | { readonly kind: 'starting'; readonly failures: number }
  | { readonly kind: 'loading'; readonly failures: number }
  | { readonly kind: 'ready'; readonly failures: number }
  | { readonly kind: 'busy'; readonly failures: number; readonly running: number }
  | {
      readonly kind: 'draining';
      readonly failures: number;
      readonly running: number;
      /** Where it goes once the process is gone. */
      readonly afterwards: 'stopped' | 'backoff';
      readonly reason: string;
    }
  | { readonly kind: 'backoff'; readonly failures: number; readonly reason: string }
  | { readonly kind: 'failed'; readonly failures: number; readonly reason: string };

/** What can happen to a child. An event that makes no sense in a state changes nothing. */
export type ChildEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'spawned' }
  | { readonly kind: 'loaded' }
  | { readonly kind: 'acquired' }
  /** `worked`: the generation succeeded, so earlier failures are forgotten. */
  | { readonly kind: 'released'; readonly worked: boolean }
  /** It has stood ready long enough to forget earlier failures. */
  | { readonly kind: 'settled' }
  /** Asked to go: unload, eviction, new policy, shutdown. */
  | { readonly kind: 'drain'; readonly reason: string }
  /** It runs but is of no use: hangs while loading, or fails its generations. */
  | { readonly kind: 'broken'; readonly reason: string }
  /** The process is gone. `permanent`: the same file and settings can only fail again. */
  | { readonly kind: 'exited'; readonly reason: string; readonly permanent: boolean }
  /** The back-off time is over. */
  | { readonly kind: 'retry' }
  /** File or policy changed, or the operator asked: forget the failures. */
  | { readonly kind: 'reset' };

/** After so many failures in a row a child is left alone until something changes. */
export const START_FAILURES_MAX = 5;

/** The state a new child begins in. */
export const INITIAL_STATE: ChildState = { kind: 'stopped', failures: 0 };

/** The state after an event. Pure; returns the same object when nothing changes. */
export function next(state: ChildState, event: ChildEvent): ChildState {
  switch (state.kind) {
    case 'stopped':
      return fromStopped(state, event);
    case 'starting':
    case 'loading':
      return fromStart(state, event);
    case 'ready':
    case 'busy':
      return fromServing(state, event);
    case 'draining':
      return fromDraining(state, event);
    case 'backoff':
    case 'failed':
      return fromDown(state, event);
  }
}

/**
 * Time to wait before the next start, in ms: 1 s doubled per failure, at most 60 s, times 0.75..1.25 so that several
 * children that died together do not load together. `failures` counts from 1; `chance` is 0..1.
 */
export function backoffMs(failures: number, chance: number): number {
  const base = Math.min(1000 * 2 ** Math.max(0, failures - 1), 60_000);
  return Math.round(Math.min(base * (0.75 + chance / 2), 60_000));
}

/** Generations running in this state. */
export const runningIn = (state: ChildState): number =>
  state.kind === 'busy' || state.kind === 'draining' ? state.running : 0;

/** True while a process of the child may exist and hold memory. */
export const holdsProcess = (state: ChildState): boolean =>
  state.kind !== 'stopped' && state.kind !== 'backoff' && state.kind !== 'failed';

type StateOf<Kind extends ChildState['kind']> = Extract<ChildState, { kind: Kind }>;

function fromStopped(state: StateOf<'stopped'>, event: ChildEvent): ChildState {
  if (event.kind === 'start') return { kind: 'starting', failures: state.failures };
  if (event.kind === 'reset' && state.failures > 0) return INITIAL_STATE;
  return state;
}

function fromStart(state: StateOf<'starting' | 'loading'>, event: ChildEvent): ChildState {
  const { failures } = state;
  if (event.kind === 'spawned' && state.kind === 'starting') return { kind: 'loading', failures };
  if (event.kind === 'loaded' && state.kind === 'loading') return { kind: 'ready', failures };
  return fromAlive(state, event);
}

function fromServing(state: StateOf<'ready' | 'busy'>, event: ChildEvent): ChildState {
  if (event.kind === 'acquired') return { kind: 'busy', failures: state.failures, running: runningIn(state) + 1 };
  if (event.kind === 'settled') return state.failures === 0 ? state : { ...state, failures: 0 };
  if (event.kind === 'released' && state.kind === 'busy') {
    const failures = event.worked ? 0 : state.failures;
    if (state.running === 1) return { kind: 'ready', failures };
    return { kind: 'busy', failures, running: state.running - 1 };
  }
  return fromAlive(state, event);
}

/** What holds for every state with a process that nobody has asked to go. */
function fromAlive(state: StateOf<'starting' | 'loading' | 'ready' | 'busy'>, event: ChildEvent): ChildState {
  const { failures } = state;
  const running = runningIn(state);
  if (event.kind === 'drain')
    return { kind: 'draining', failures, running, afterwards: 'stopped', reason: event.reason };
  if (event.kind === 'broken') {
    return { kind: 'draining', failures: failures + 1, running, afterwards: 'backoff', reason: event.reason };
  }
  if (event.kind === 'exited') return down(failures + 1, event);
  return state;
}

function fromDraining(state: StateOf<'draining'>, event: ChildEvent): ChildState {
  switch (event.kind) {
    case 'released':
      return state.running === 0 ? state : { ...state, running: state.running - 1 };
    case 'drain':
      return state.afterwards === 'stopped' ? state : { ...state, afterwards: 'stopped', reason: event.reason };
    case 'exited':
      if (state.afterwards === 'stopped') return { kind: 'stopped', failures: state.failures };
      return down(state.failures, { reason: state.reason, permanent: false });
    case 'start':
    case 'spawned':
    case 'loaded':
    case 'acquired':
    case 'settled':
    case 'broken':
    case 'retry':
    case 'reset':
      return state;
  }
}

function fromDown(state: StateOf<'backoff' | 'failed'>, event: ChildEvent): ChildState {
  if (event.kind === 'reset' || event.kind === 'drain') return INITIAL_STATE;
  if (event.kind === 'retry' && state.kind === 'backoff') return { kind: 'stopped', failures: state.failures };
  return state;
}

function down(failures: number, end: { readonly reason: string; readonly permanent: boolean }): ChildState {
  const hopeless = end.permanent || failures >= START_FAILURES_MAX;
  return { kind: hopeless ? 'failed' : 'backoff', failures, reason: end.reason };
}
