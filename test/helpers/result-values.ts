import type { BenchDocument, BenchModelResult } from '../../src/bench/result.ts';
import type { ProfileMetric } from '../../src/core/profile.ts';
import type { TuneRun } from '../../src/store/tune-table.ts';

/** What a test says of a model that was measured. */
export type MeasuredModel = {
  readonly model: string;
  readonly modelKey?: string;
  readonly device?: string;
  /** Tokens per second. */
  readonly prefill: number;
  readonly decode: number;
  readonly memoryBytes: number;
  /** Right answers of twelve, for every task. */
  readonly right?: number;
  /** Answers of a hundred that had fallen apart. */
  readonly fellApart?: number;
  /** Share of the speed left after ten minutes; absent: no sustained run. */
  readonly kept?: number;
  readonly n?: number;
};

/** When the runs of {@link resultDocument} were. */
export const MEASURED_AT = '2026-11-20T12:30:00.000Z';
const RUN_ID = '20261120T120000Z-1a2b3c';
const TASKS = ['chat', 'qa', 'summarize', 'extract', 'rewrite', 'code', 'reasoning', 'creative'] as const;

/** A result file's document as `sluice bench --quality --sustained 10m` writes it, of a made-up board. */
export function resultDocument(models: readonly MeasuredModel[], given: Partial<BenchDocument> = {}): BenchDocument {
  return {
    ...{ kind: 'sluice-bench', schema: 1, id: RUN_ID, startedAt: '2026-11-20T12:00:00.000Z', finishedAt: MEASURED_AT },
    ...{ sluiceVersion: '0.1.0', repetitions: 5, settleMs: 5_000, complete: true },
    machine: {
      ...{ model: 'Example board', soc: 'rk3588', architecture: 'arm64', cpus: '0-7', kernel: '6.1.75' },
      ...{ memoryBytes: 16_600_000_000, npuDriver: '0.9.8' },
    },
    models: models.map(resultOf),
    ...given,
  };
}

function resultOf(measured: MeasuredModel): BenchModelResult {
  const { model, modelKey, device = 'cpu', prefill } = measured;
  return {
    ...{ model, modelKey: modelKey ?? `key-${model}`, runtime: device === 'npu' ? 'npu' : 'llama', device },
    ...{ runtimeKind: device === 'npu' ? 'rkllm' : 'llama-server', outcome: 'measured', settings: {}, warnings: [] },
    series: [64, 256, 512].map((promptTokens) => {
      const value = 120 + (promptTokens * 1000) / prefill;
      return {
        ...{ metric: 'ttftMs', unit: 'ms', side: 'served', promptTokens, value, low: value * 0.96, high: value * 1.05 },
        ...{ n: 5, provisional: false, samples: [value] },
      };
    }),
    figures: figuresOf(measured),
    samples: sustainedOf(measured),
  };
}

function figuresOf(measured: MeasuredModel): BenchModelResult['figures'] {
  const { prefill, decode, memoryBytes, right, fellApart, n = 5 } = measured;
  const figure = (metric: ProfileMetric, value: number, spread = 0.04) => ({
    ...{ metric, side: 'served' as const, value, n, low: value * (1 - spread), high: value * (1 + spread) },
    ...{ source: `run ${RUN_ID}`, at: MEASURED_AT },
  });
  const share = (metric: ProfileMetric, hits: number, of: number) => ({
    ...{ metric, side: 'served' as const, value: hits / of, n: of, low: Math.max(0, hits / of - 0.2) },
    ...{ high: Math.min(1, hits / of + 0.1), source: `run ${RUN_ID}`, at: MEASURED_AT },
  });
  return [
    figure('prefillTokensPerSec', prefill),
    figure('prefillFixedMs', 120),
    figure('decodeTokensPerSec', decode),
    figure('loadMs', memoryBytes / 1e6),
    figure('loadColdMs', memoryBytes / 2e5),
    figure('peakMemoryBytes', memoryBytes, 0),
    ...(right === undefined ? [] : TASKS.map((task) => share(`quality.${task}`, right, 12))),
    ...(fellApart === undefined ? [] : [share('degenerateAnswers', fellApart, 100)]),
  ];
}

function sustainedOf({ decode, kept }: MeasuredModel): NonNullable<BenchModelResult['samples']> {
  if (kept === undefined) return [];
  return Array.from({ length: 30 }, (_, round) => {
    const heat = Math.min(1, Math.max(0, (round - 8) / 12));
    return {
      ...{ kind: 'sustained' as const, round, flags: [], atMs: (round + 1) * 20_000 },
      ...{ decodeTokensPerSec: decode * (1 - (1 - kept) * heat), celsius: 52 + Math.min(30, round * 1.8) },
    };
  });
}

/** A tuning run over threads and CPUs as `sluice tune` keeps it. */
export function tuneRun(model: string): TuneRun {
  const grid = ['4-7', '0-7'].flatMap((cpus) => [2, 4, 6, 8].map((threads) => ({ cpus, threads })));
  const trials = grid.map(({ cpus, threads }) => {
    const objectiveMs = 30_000 + Math.abs(6 - threads) * 4_000 + (cpus === '4-7' ? 5_000 : 0);
    const isBest = threads === 6 && cpus === '0-7';
    return {
      ...{
        settings: { threads, cpus },
        label: `threads ${threads}, cpus ${cpus}`,
        isCurrent: threads === 4 && cpus === '4-7',
      },
      figures: {
        promptTps: 300_000 / objectiveMs,
        decodeTps: 75_000 / objectiveMs,
        wallS: objectiveMs / 1000,
        objectiveMs,
      },
      ...{ n: 3, disturbed: 0, status: isBest ? ('winner' as const) : ('eliminated' as const) },
    };
  });
  return {
    ...{ id: '20261120T140000Z-77aa01', model, startedAt: '2026-11-20T14:00:00.000Z', complete: true },
    objective: { kind: 'e2e', text: 'e2e:256+60', promptTokens: 256, outputTokens: 60 },
    ...{ machine: { kind: 'rk3588', cpus: '0-7' }, sluiceVersion: '0.1.0', trials, caches: [] },
    conclusion: 'threads 6, cpus 0-7 takes 30 s where the settings in force take 43 s.',
  };
}
