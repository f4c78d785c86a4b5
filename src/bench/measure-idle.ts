import type { Clock } from '../core/clock.ts';
import type { ModelId } from '../core/ids.ts';
import type { ModelPolicy, Policy } from '../core/policy.ts';
import type { Store } from '../store/open-store.ts';
import { REPETITIONS_DEFAULT } from './bench-options.ts';
import type { BenchLease, BenchView } from './bench-target.ts';
import { readMachine, readMachineState } from './fingerprint.ts';
import { type Journal, memoryJournal } from './journal.ts';
import { measureOnChild } from './measure-round.ts';
import { modelResult, type ResultRun } from './model-result.ts';
import { type BenchDocument, type BenchModelResult, RESULT_SCHEMA } from './result.ts';
import { disturbedCount } from './samples.ts';
import { storeBench } from './save-bench.ts';
import { readAnswer } from './served-ask.ts';
import { type Subject, subjectOf } from './subject.ts';

/** What measuring a running child needs. */
export type IdleRunParts = {
  readonly clock: Clock;
  readonly policy: () => Policy;
  readonly supervisor: { views(): ReadonlyMap<ModelId, BenchView> };
  readonly store: Store;
  readonly sluiceVersion: string;
  readonly sysroot?: string | undefined;
};

/** The lane and the child are held by the caller; the signal ends the measurement within one decode step. */
export type HeldChild = { readonly lease: BenchLease; readonly signal: AbortSignal };

/** What one short request showed, by the engine's own clock. */
export type ProbeFigures = {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly prefillMs: number | undefined;
  readonly decodeMs: number | undefined;
  readonly loadMs: undefined;
  readonly promptChars: number;
  readonly messageCount: number;
};

/** How a measurement ended, with a line for people. A disturbed one is not stored: it would replace better figures. */
export type IdleOutcome = { readonly kind: 'stored' | 'disturbed'; readonly text: string };

/** Measurements of running children, kept where they were interrupted. */
export interface IdleRuns {
  /** Times one short request: about 64 tokens in, 16 out. */
  probe(model: ModelPolicy, held: HeldChild): Promise<ProbeFigures>;
  /** Measures what is still to be measured and stores it. */
  measure(model: ModelPolicy, held: HeldChild): Promise<IdleOutcome>;
}

type IdleRun = ResultRun & { readonly startedAt: string };

/** A measurement of one model, gone on with where a request interrupted it. */
type Unfinished = { readonly run: IdleRun; readonly subject: Subject; readonly startedMs: number };

const PROBE_CHARS = 256;
const PROBE_OUTPUT_TOKENS = 16;
/** Samples that lie further apart than this do not belong into one run: the machine may have changed between. */
const UNFINISHED_MAX_MS = 6 * 3_600_000;
/** Beyond this share of disturbed samples a measurement says more of the disturbance than of the model. */
const DISTURBED_MAX = 0.5;

/**
 * Measurements on children that run already: no loads, the prompts of `sluice bench` in as many rounds, stored as a
 * measured run. Both functions reject with the signal's reason on abort and with whatever makes a request fail.
 */
export function createIdleRuns(parts: IdleRunParts): IdleRuns {
  const unfinished = new Map<ModelId, Unfinished>();

  const continued = (model: ModelPolicy, signal: AbortSignal): Unfinished => {
    const known = unfinished.get(model.id);
    const nowMs = parts.clock.nowMs();
    const isUsable = known?.subject.model === model && nowMs - known.startedMs < UNFINISHED_MAX_MS;
    const begun = known !== undefined && isUsable ? known : begin(parts, model, nowMs);
    const current = { ...begun, run: { ...begun.run, signal } };
    unfinished.set(model.id, current);
    return current;
  };
  return {
    probe: async (model, { lease, signal }) => {
      const question = { chars: PROBE_CHARS, outputTokens: PROBE_OUTPUT_TOKENS };
      const ask = { model: model.id, clock: parts.clock, signal };
      const { timed, cachedTokens } = await readAnswer(ask, lease, question);
      const { promptTokens, outputTokens, prefillMs, decodeMs, promptChars } = timed;
      return {
        promptTokens,
        cachedTokens,
        outputTokens,
        prefillMs,
        decodeMs,
        promptChars,
        loadMs: undefined,
        messageCount: 1,
      };
    },
    measure: async (model, { lease, signal }) => {
      const { run, subject } = continued(model, signal);
      const served = servedOf(parts, run, subject);
      for (let round = 0; round < run.repetitions; round += 1) await measureOnChild(served, { round, lease });
      unfinished.delete(model.id);
      subject.end = readMachineState(parts.clock.nowMs(), parts.sysroot);
      const [result] = modelResult(run, subject);
      const samples = result?.samples ?? [];
      if (result === undefined || disturbedCount(samples) > samples.length * DISTURBED_MAX) {
        return {
          kind: 'disturbed',
          text: 'more than half of the samples were disturbed, so its figures stay as they are',
        };
      }
      storeBench(documentOf(parts, run, result), { store: parts.store, provenance: 'measured' });
      return { kind: 'stored', text: textOf(result) };
    },
  };
}

function begin(parts: IdleRunParts, model: ModelPolicy, nowMs: number): Unfinished {
  const startedAt = new Date(nowMs).toISOString();
  const id = `${startedAt.slice(0, 19).replaceAll(/[-:]/g, '')}Z-${parts.clock.randomHex(3)}`;
  const journal: Journal = memoryJournal(id);
  const { clock, sluiceVersion, sysroot } = parts;
  const run: IdleRun = {
    ...{ id, startedAt, journal, repetitions: REPETITIONS_DEFAULT, sides: 'served', clock, sluiceVersion, sysroot },
    // Replaced by the signal of every attempt.
    signal: new AbortController().signal,
  };
  const looked = { policy: parts.policy(), target: parts.supervisor, sides: 'served', sysroot } as const;
  const subject = subjectOf(looked, model.id);
  subject.start = readMachineState(nowMs, parts.sysroot);
  return { run, subject, startedMs: nowMs };
}

function servedOf(parts: IdleRunParts, run: IdleRun, subject: Subject) {
  const { clock, sysroot } = parts;
  return {
    model: subject.model.id,
    target: parts.supervisor,
    ...{ journal: run.journal, clock, signal: run.signal, depths: true, usesNpu: subject.usesNpu },
    contextTokens: subject.contextTokens,
    ...(sysroot === undefined ? {} : { sysroot }),
    onStep: () => {},
    warn: (warning: string) => subject.warnings.add(warning),
  };
}

const documentOf = (parts: IdleRunParts, run: IdleRun, result: BenchModelResult): BenchDocument => ({
  kind: 'sluice-bench',
  schema: RESULT_SCHEMA,
  ...{ id: run.id, startedAt: run.startedAt, finishedAt: new Date(parts.clock.nowMs()).toISOString() },
  ...{ sluiceVersion: parts.sluiceVersion, repetitions: run.repetitions, settleMs: 0, complete: true },
  machine: readMachine(parts.sysroot),
  models: [result],
});

function textOf({ figures }: BenchModelResult): string {
  const rate = (metric: string) => figures.find((figure) => figure.metric === metric)?.value.toPrecision(3) ?? '-';
  return `prefill ${rate('prefillTokensPerSec')} tok/s, decode ${rate('decodeTokensPerSec')} tok/s`;
}
