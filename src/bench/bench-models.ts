import { messageOf } from '../core/errors.ts';
import type { BenchOptions, Run } from './bench-options.ts';
import { readMachine, readMachineState } from './fingerprint.ts';
import { openJournal } from './journal.ts';
import { measurePair, PAIR_STEPS, pairResults, pairsOf } from './measure-pair.ts';
import { benchProgram, measureRaw } from './measure-raw.ts';
import { measureRound, STEPS_PER_ROUND } from './measure-round.ts';
import { measureSustained } from './measure-sustained.ts';
import { modelResult } from './model-result.ts';
import { systemPageCache } from './page-cache.ts';
import { createProgress, type ProgressMeter, type ProgressPart } from './progress.ts';
import { measureQuality, QUALITY_STEPS } from './quality/measure-quality.ts';
import { type BenchDocument, RESULT_SCHEMA } from './result.ts';
import { storageOf } from './row-fingerprint.ts';
import { newRun } from './run-plan.ts';
import { saveBench } from './save-bench.ts';
import { isUsable, type Subject, subjectOf } from './subject.ts';

/** The run's document and the file it went to; none where no model could be tried. */
export type BenchOutcome = { readonly document: BenchDocument; readonly file: string | undefined };

/**
 * Measures models in turns: one round of each, then the next round (ABAB), so that a machine that grows warmer is not
 * blamed on one of them. Every sample is on the disk before the next one begins, and the document in SQLite and in one
 * JSON file after every round of a model, so that neither an abort nor a crash loses more than the running sample. A model
 * that cannot run is listed with the reason; one that fails does not stop the others.
 * Throws what makes storing fail; an abort ends the run early without throwing.
 */
export async function benchModels(options: BenchOptions): Promise<BenchOutcome> {
  const plan = newRun(options);
  const subjects = plan.models.map((id) => subjectOf({ ...options, sides: plan.sides }, id));
  const usable = subjects.filter(isUsable);
  // A run that finds nothing to measure is no result: its file would only be committed by mistake.
  if (usable.length === 0) return { document: documentOf(plan, options, subjects), file: undefined };
  const journal = openJournal(options.store, plan.row);
  const run: Run = { ...options, ...plan, pageCache: options.pageCache ?? systemPageCache, journal };
  // Whatever is loaded takes memory and, while it ends, the CPU.
  for (const other of run.policy.models.keys()) await run.target.unload(other);
  for (const subject of usable) subject.start = readMachineState(run.clock.nowMs(), run.sysroot);
  const pairs = run.pairs ? pairsOf(run, usable) : [];
  const parts = partsOf(run, subjects, pairs);
  const meter = createProgress(
    parts.map(({ model, steps }) => ({ model, steps })),
    run.clock,
    run.onProgress,
  );
  for (const [index, part] of parts.entries()) {
    if (run.signal.aborted) break;
    meter.startPart(index);
    await part.work(meter);
    save(run, subjects, false);
  }
  if (!run.signal.aborted) {
    meter.note('hashing the files');
    for (const subject of usable) await subject.hash(run);
  }
  const saved = save(run, subjects, !run.signal.aborted);
  if (!run.signal.aborted) {
    journal.end();
    meter.finish();
  }
  return saved;
}

type Part = ProgressPart & { readonly work: (meter: ProgressMeter) => Promise<void> };

function partsOf(run: Run, subjects: readonly Subject[], pairs: ReturnType<typeof pairsOf>): readonly Part[] {
  const usable = subjects.filter(isUsable);
  const rounds = Array.from({ length: run.repetitions }, (_, round) => round).flatMap((round) =>
    usable.map(
      (subject): Part => ({
        model: subject.model.id,
        steps: (run.sides === 'served' ? 0 : 1) + (run.sides === 'raw' ? 0 : STEPS_PER_ROUND),
        work: (meter) => measureBothSides(run, { subject, round, meter }),
      }),
    ),
  );
  const sustained = usable.map(
    (subject): Part => ({
      model: subject.model.id,
      steps: 1,
      work: (meter) =>
        attempt(run, subject, 'served', async () => {
          meter.step('sustained run');
          await measureSustained(servedOf(run, { subject, round: 0, meter }), run.sustainedMs);
        }),
    }),
  );
  const quality = usable.map(
    (subject): Part => ({
      model: subject.model.id,
      steps: QUALITY_STEPS,
      work: (meter) =>
        attempt(run, subject, 'quality', () => measureQuality(servedOf(run, { subject, round: 0, meter }))),
    }),
  );
  const together = pairs.map(
    (pair): Part => ({ model: pair.model.model.id, steps: PAIR_STEPS, work: (meter) => measurePair(run, pair, meter) }),
  );
  const isServed = run.sides !== 'raw';
  return [
    ...rounds,
    ...(run.sustainedMs > 0 && isServed ? sustained : []),
    ...(run.quality && isServed ? quality : []),
    ...(isServed ? together : []),
  ];
}

type Turn = { readonly subject: Subject; readonly round: number; readonly meter: ProgressMeter };

async function measureBothSides(run: Run, turn: Turn): Promise<void> {
  const { subject } = turn;
  if (run.sides !== 'served' && benchProgram(subject.runtime) !== undefined) {
    await attempt(run, subject, 'llama-bench', () => rawRound(run, turn));
  }
  if (run.sides !== 'raw') {
    await attempt(run, subject, 'served', async () => {
      if (run.coldLoads) await measureStorage(run, subject);
      await measureRound(servedOf(run, turn), turn.round);
    });
  }
  subject.end = readMachineState(run.clock.nowMs(), run.sysroot);
}

/** Each side on its own: what one of them cannot do is a failure of that side only, and of the rounds to come. */
async function attempt(run: Run, subject: Subject, side: string, work: () => Promise<void>): Promise<void> {
  if (run.signal.aborted || subject.failures.has(side)) return;
  try {
    await work();
  } catch (error) {
    if (!run.signal.aborted) subject.failures.set(side, messageOf(error));
  }
}

/** Raw depths beside the plain test: only where nothing served shows them. */
const RAW_DEPTH_TOKENS = 512;

async function rawRound(run: Run, { subject, round, meter }: Turn): Promise<void> {
  const { model, runtime } = subject;
  const step = `${round} raw`;
  meter.step('llama-bench');
  if (run.journal.has(model.id, step)) return;
  const { clock, signal } = run;
  const { environment } = run.policy.machine;
  const depths = run.sides === 'raw' && run.depths ? [0, RAW_DEPTH_TOKENS] : [0];
  const { value: raw, flags } = await subject.watch(run, true, () =>
    measureRaw({ model, runtime, environment, repetitions: 1, depths, clock, signal }),
  );
  const samples = raw.samples.map((one) => ({
    kind: 'raw' as const,
    ...{ round, flags, build: raw.build, command: raw.command },
    ...{ depth: one.depth, promptTokens: one.promptTokens, outputTokens: one.outputTokens },
    prefillTokensPerSec: one.prefillTokensPerSec[0] ?? 0,
    decodeTokensPerSec: one.decodeTokensPerSec[0] ?? 0,
  }));
  run.journal.add(model.id, step, samples);
}

async function measureStorage(run: Run, { model }: Subject): Promise<void> {
  if (run.journal.has(model.id, 'storage')) return;
  const bytesPerSec = await run.pageCache.readBytesPerSec(model.file, () => run.clock.monotonicMs());
  const name = await storageOf(model.file, run.sysroot);
  run.journal.add(model.id, 'storage', [{ kind: 'storage', round: 0, flags: [], name, bytesPerSec }]);
}

const servedOf = (run: Run, { subject, meter }: Turn) => ({
  model: subject.model.id,
  file: subject.model.file,
  ...{ target: run.target, journal: run.journal, clock: run.clock, signal: run.signal, pageCache: run.pageCache },
  ...{ settleMs: run.settleMs, depths: run.depths, coldLoads: run.coldLoads },
  contextTokens: subject.contextTokens,
  usesNpu: subject.usesNpu,
  ...(run.sysroot === undefined ? {} : { sysroot: run.sysroot }),
  onStep: (step: string) => meter.step(step),
  warn: (warning: string) => subject.warnings.add(warning),
});

function save(run: Run, subjects: readonly Subject[], complete: boolean): BenchOutcome {
  const document = resultOf(run, subjects, complete);
  const file = saveBench(document, { store: run.store, directory: run.directory, provenance: 'measured' });
  return { document, file };
}

function resultOf(run: Run, subjects: readonly Subject[], complete: boolean): BenchDocument {
  const models = subjects.flatMap((subject) => modelResult(run, subject));
  const pairs = pairResults(run, subjects);
  const finishedAt = new Date(run.clock.nowMs()).toISOString();
  return { ...documentOf(run, run, []), finishedAt, complete, models, ...(pairs.length === 0 ? {} : { pairs }) };
}

function documentOf(
  plan: Pick<Run, 'id' | 'startedAt' | 'repetitions' | 'settleMs'>,
  options: Pick<BenchOptions, 'sluiceVersion' | 'sysroot'>,
  subjects: readonly Subject[],
): BenchDocument {
  const { id, startedAt, repetitions, settleMs } = plan;
  return {
    kind: 'sluice-bench',
    schema: RESULT_SCHEMA,
    ...{ id, startedAt, sluiceVersion: options.sluiceVersion, repetitions, settleMs },
    machine: readMachine(options.sysroot),
    models: subjects.map(({ known }) => known),
  };
}
