import type { Run } from './bench-options.ts';
import { figuresOf } from './figures.ts';
import { readMachine, readMachineState, stateWarnings } from './fingerprint.ts';
import { METRICS } from './metrics/list.ts';
import type { BenchModelResult } from './result.ts';
import { fingerprintOf, usedDevices } from './row-fingerprint.ts';
import { type BenchSample, disturbedCount, samplesOf } from './samples.ts';
import { isUsable, type Subject } from './subject.ts';

/** What of a run its results are made of. */
export type ResultRun = Pick<Run, 'id' | 'repetitions' | 'signal' | 'sides' | 'journal' | 'clock' | 'sluiceVersion'> & {
  readonly sysroot?: string | undefined;
};

/** What a run says about one model so far; nothing for one that has not been begun with. */
export function modelResult(run: ResultRun, subject: Subject): readonly BenchModelResult[] {
  if (!isUsable(subject)) return [subject.known];
  const samples = run.journal.samples(subject.model.id);
  if (samples.length === 0 && subject.failures.size === 0) return [];
  const { known, failures } = subject;
  const start = subject.start ?? readMachineState(run.clock.nowMs(), run.sysroot);
  const end = subject.end ?? start;
  const series = METRICS.flatMap((metric) => metric.measure(samplesOf(samples)));
  const raw = samples.findLast((sample) => sample.kind === 'raw');
  const file = known.file === undefined ? {} : { file: { ...known.file, ...defined({ sha256: subject.sha256 }) } };
  return [
    {
      ...known,
      ...file,
      ...kvShare(known, series),
      outcome: outcomeOf(run, subject, samples),
      ...(failures.size > 0 ? { reason: [...failures].map(([side, text]) => `${side}: ${text}`).join('; ') } : {}),
      ...defined({ rawVersion: raw?.build, rawCommand: raw?.command }),
      start,
      end,
      fingerprint: fingerprint(run, subject, { start, samples }),
      warnings: warningsOf(subject, samples, stateWarnings(start, end, { usesNpu: subject.usesNpu })),
      series,
      figures: figuresOf(series, { id: run.id, at: end.at }),
      samples,
    },
  ];
}

// A process holds at least its cache: a share above 1 would be a page that was never touched.
function kvShare({ kvCache }: BenchModelResult, series: BenchModelResult['series']): Pick<BenchModelResult, 'kvCache'> {
  const peakBytes = series.find(({ metric }) => metric === 'peakMemoryBytes')?.value;
  if (kvCache === undefined || peakBytes === undefined || peakBytes <= 0) return {};
  return { kvCache: { ...kvCache, shareOfPeak: Math.min(1, kvCache.bytes / peakBytes) } };
}

/** Aborted where a round is missing: what is there counts, and the run can be resumed. */
function outcomeOf(
  run: ResultRun,
  { failures }: Subject,
  samples: readonly BenchSample[],
): BenchModelResult['outcome'] {
  if (failures.size > 0) return 'failed';
  const rounds = new Set(samples.flatMap(({ kind, round }) => (kind === 'memory' || kind === 'raw' ? [round] : [])));
  const isComplete = rounds.size >= run.repetitions && !(run.signal.aborted && isInLastRound(run, samples));
  return isComplete ? 'measured' : 'aborted';
}

/** True where the served part of the last round has begun and not ended. */
function isInLastRound(run: ResultRun, samples: readonly BenchSample[]): boolean {
  const last = samples.filter(({ round }) => round === run.repetitions - 1);
  return run.sides !== 'raw' && !last.some(({ kind }) => kind === 'memory');
}

function fingerprint(
  run: ResultRun,
  { known, sha256, runtime, model }: Subject,
  seen: { readonly start: NonNullable<BenchModelResult['start']>; readonly samples: readonly BenchSample[] },
) {
  const storage = seen.samples.find((sample) => sample.kind === 'storage');
  return fingerprintOf({
    machine: readMachine(run.sysroot),
    state: seen.start,
    cpusUsed: known.cpusUsed,
    runtimeVersion: known.runtimeVersion,
    rawVersion: seen.samples.findLast((sample) => sample.kind === 'raw')?.build,
    modelKey: known.modelKey,
    settings: known.settings,
    file: known.file === undefined ? undefined : { ...known.file, sha256 },
    quantization: known.quantization,
    storage: storage?.name,
    storageBytesPerSec: storage?.bytesPerSec,
    sluiceVersion: run.sluiceVersion,
    uses: usedDevices(runtime.kind, model.settings),
  });
}

function warningsOf(subject: Subject, samples: readonly BenchSample[], state: readonly string[]): readonly string[] {
  const disturbed = disturbedCount(samples);
  const example = samples.find(({ flags }) => flags.length > 0)?.flags.join(', ');
  const note = `${disturbed} of ${samples.length} samples were disturbed (${example}); they count only where fewer than three others are there`;
  return [...subject.warnings, ...state, ...(disturbed === 0 ? [] : [note])];
}

const defined = <Value extends object>(value: Value): Partial<Value> =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Partial<Value>;
