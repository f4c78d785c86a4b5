import type { CancelTimer, Clock } from '../core/clock.ts';
import type { FadingCount } from '../core/fading-count.ts';
import type { ModelId } from '../core/ids.ts';
import type { KeepPolicy, ModelPolicy } from '../core/policy.ts';
import type { Figure } from '../core/profile.ts';
import type { Inspection } from '../core/runtime.ts';
import { loadMsBySize } from '../core/size-law.ts';
import type { Residency } from '../core/snapshot.ts';
import type { Child, ChildSpec } from './child.ts';
import type { ChildLog } from './child-log.ts';
import { type ChildState, holdsProcess, runningIn } from './child-machine.ts';
import { knownFacts } from './manifest.ts';
import type { SupervisedModel } from './supervisor-types.ts';
import type { Waiter } from './waiters.ts';

/** One model with its child and everybody who waits for it. Only the supervisor's own files change it. */
export type Entry = {
  readonly id: ModelId;
  readonly child: Child;
  readonly log: ChildLog;
  model: ModelPolicy;
  inspection: Inspection;
  /** How to start it by the policy of now; undefined where the runtime kind is unknown. */
  spec: ChildSpec | undefined;
  /** File and everything the launch depends on, as text; a child started with another one is out of date. */
  signature: string;
  /** What the running process was started with. */
  startedSignature: string | undefined;
  /** In order of arrival. */
  waiters: Waiter[];
  /** Order in which the model was first wanted, among those wanted now. */
  wantedSince: number;
  /** Wanted by nobody's request: a resident model that should come back by itself. */
  background: boolean;
  /** Its memory is waited for: it takes no new work until the one who waits has been served. */
  claimed: boolean;
  /** Set while its process stands still; called where somebody needs it or its memory, so that it is let go. */
  giveUpPause: (() => void) | undefined;
  /** Unloaded by hand: not started again before somebody asks. */
  heldOff: boolean;
  /** The operator has been told that it does not fit beside the others. */
  refusalTold: boolean;
  /** How a client wants the running process kept; undefined = as the policy says. */
  kept: KeepPolicy | undefined;
  cancelIdle: CancelTimer | undefined;
  /** Wall clock at which the idle child is stopped; undefined where no timer runs. */
  unloadsAtMs: number | undefined;
  /** How long its engine may go on working on an abandoned request, ms. */
  readonly idleLimitMs: () => number;
  rssBytes: number | undefined;
  /** Leases lately, as uses per hour, by the wall clock. */
  readonly uses: FadingCount;
  view: SupervisedModel;
  /** State of the child when the record was made. */
  viewedState: ChildState | undefined;
};

/** Measured figures of a model, from whoever keeps profiles. */
export type MeasuredFigures = (model: ModelId) => {
  readonly peakMemoryBytes?: Figure;
  readonly loadMs?: Figure;
  readonly prefillTokensPerSec?: Figure;
};

/** True where the child could take one more generation now. */
export function hasFreeSlot(entry: Entry): boolean {
  const { state } = entry.child;
  if (entry.claimed || entry.giveUpPause !== undefined || entry.startedSignature !== entry.signature) return false;
  return state.kind === 'ready' || (state.kind === 'busy' && state.running < parallelOf(entry));
}

/** Generations a child takes at a time. */
export const parallelOf = (entry: Entry): number => Math.max(1, entry.model.settings.parallel ?? 1);

/** How long the model's child stays, by its client's wish or the policy's; see `watch-idle.ts`. */
export function keepOf({ kept, model }: Pick<Entry, 'kept' | 'model'>): KeepPolicy {
  return kept === undefined || (kept.kind === 'idle' && model.keep.kind === 'resident') ? model.keep : kept;
}

/** Memory a load needs: the measured peak, else the formula, with a word on which. 0 where nothing is known. */
export function memoryFigure(
  entry: Entry,
  measured: MeasuredFigures,
): Pick<SupervisedModel, 'memoryBytes' | 'memoryBasis'> {
  const peak = measured(entry.id).peakMemoryBytes;
  if (peak !== undefined) return { memoryBytes: peak.value, memoryBasis: `${peak.provenance}: ${peak.source}` };
  const estimate = entry.inspection.facts?.estimatedMemoryBytes;
  if (estimate === undefined) return { memoryBytes: 0, memoryBasis: 'unknown' };
  return { memoryBytes: estimate, memoryBasis: 'estimated: file size + KV formula' };
}

const isServing = (state: ChildState | undefined): boolean => state?.kind === 'ready' || state?.kind === 'busy';

/** Memory a child holds now; 0 without a process. Where it grew beyond the figure, what it really has. */
export function memoryHeld(entry: Entry): number {
  if (!holdsProcess(entry.child.state)) return 0;
  return Math.max(entry.view.memoryBytes, entry.rssBytes ?? 0);
}

/** What a load takes, ms: as it took here, else as measured, else by file size. */
export function loadCostMs(entry: Entry, measured: MeasuredFigures): number {
  const known = entry.child.lastLoadMs ?? measured(entry.id).loadMs?.value;
  return known ?? loadMsBySize(entry.inspection.facts?.weightsBytes ?? 0);
}

/** Makes the entry's record anew. */
export function refreshView(entry: Entry, clock: Clock, measured: MeasuredFigures): SupervisedModel {
  const { child, inspection } = entry;
  const { incarnation } = child;
  // With every request a child goes from ready to busy and back; asking for its figures each time would be for nothing.
  const isUse = isServing(child.state) && isServing(entry.viewedState) && child.state !== entry.viewedState;
  const { memoryBytes, memoryBasis } = isUse ? entry.view : memoryFigure(entry, measured);
  entry.viewedState = child.state;
  entry.view = {
    availability: inspection.availability,
    facts: knownFacts(entry),
    runtimeVersion: inspection.runtimeVersion,
    residency: residencyOf(entry, clock, measured),
    running: runningIn(child.state),
    parallel: parallelOf(entry),
    memoryBytes,
    memoryBasis,
    pid: incarnation?.process.pid,
    port: incarnation?.endpoint.port,
    startedAtMs: incarnation?.startedAtMs,
    rssBytes: incarnation === undefined ? undefined : entry.rssBytes,
    restarts: child.restarts,
    lastLoadMs: child.lastLoadMs,
    keep: keepOf(entry),
    unloadsAtMs: entry.unloadsAtMs,
    uses: entry.uses,
    details: incarnation?.connection.details?.(),
  };
  return entry.view;
}

/**
 * True where the record is out of date: the child has moved on (a listener to its event looks before the supervisor
 * has), or the record holds a time that runs: how long until loaded, or until the next try.
 */
export function isOutdated(entry: Entry): boolean {
  const { state } = entry.child;
  return (
    entry.viewedState !== state || state.kind === 'starting' || state.kind === 'loading' || state.kind === 'backoff'
  );
}

const STOPPED: Residency = { kind: 'stopped' };
const READY: Residency = { kind: 'ready' };
const BUSY: Residency = { kind: 'busy' };
const DRAINING: Residency = { kind: 'draining' };

function residencyOf(entry: Entry, clock: Clock, measured: MeasuredFigures): Residency {
  const { child } = entry;
  const { state } = child;
  switch (state.kind) {
    case 'stopped':
      return STOPPED;
    case 'starting':
    case 'loading': {
      const spentMs = clock.monotonicMs() - (child.loadBeganMs ?? clock.monotonicMs());
      return { kind: 'starting', remainingMs: Math.max(0, loadCostMs(entry, measured) - spentMs) };
    }
    case 'ready':
      return READY;
    case 'busy':
      return BUSY;
    case 'draining':
      return DRAINING;
    case 'backoff':
      return {
        kind: 'backoff',
        retryInMs: Math.max(0, child.retryAtMs - clock.monotonicMs()),
        reason: state.reason,
      };
    case 'failed':
      return { kind: 'failed', reason: state.reason };
  }
}
