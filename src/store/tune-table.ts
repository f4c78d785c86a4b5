import type { Database } from 'better-sqlite3';
import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { durably } from './bench-journal-table.ts';

const number = () => z.number().optional();

const trialSchema = z.object({
  /** The searched settings of this trial, by their name in the policy file (`threads`, `cpus`, `cache_type_k`, …). */
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  /** The same in one line. */
  label: z.string(),
  /** True for the settings that were in force when the run began. */
  isCurrent: z.boolean(),
  /** Medians over the samples; absent where a trial gave none. */
  figures: z.object({
    /** Tokens per second. */
    promptTps: number(),
    decodeTps: number(),
    /** Request sent to last part, seconds. */
    wallS: number(),
    ttftMs: number(),
    loadMs: number(),
    /** Highest resident memory of the served process (VmHWM); the largest of the samples. */
    peakRssBytes: number(),
    /** Its memory with shared pages counted by share (PSS); the largest of the samples. */
    pssBytes: number(),
    /** What the search made small, ms. */
    objectiveMs: number(),
  }),
  /** 95 % interval of the median of `objectiveMs`; absent below two samples. */
  interval: z.object({ low: z.number(), high: z.number() }).optional(),
  /** Samples taken, and how many of them something disturbed. */
  n: z.number(),
  disturbed: z.number(),
  /** `open` while the run goes on; `kept` reached the end without being the best. */
  status: z.enum(['winner', 'kept', 'eliminated', 'infeasible', 'open']),
  /** Round of the search after which it was eliminated, from 1. */
  round: number(),
  /** Why it is infeasible, or was given up. */
  reason: z.string().optional(),
});

const tuneRunSchema = z.object({
  id: z.string(),
  model: z.string(),
  startedAt: z.string(),
  finishedAt: z.string().optional(),
  /** The search came to its end; false also for one that was broken off. */
  complete: z.boolean(),
  objective: z.object({
    kind: z.enum(['ttft', 'decode', 'e2e']),
    /** As it was asked for, e.g. `ttft:512`. */
    text: z.string(),
    promptTokens: z.number(),
    outputTokens: z.number(),
  }),
  /** Memory no trial may exceed, bytes. */
  memoryBytesMax: number(),
  /** Kind of machine, e.g. `rk3588`, and its CPUs as a list. */
  machine: z.object({ kind: z.string(), cpus: z.string().optional(), model: z.string().optional() }),
  runtimeVersion: z.string().optional(),
  sluiceVersion: z.string(),
  /** In the order they were first tried. */
  trials: z.array(trialSchema),
  /** KV caches whose answers were compared with those of a 16-bit one. */
  caches: z.array(z.object({ cache: z.string(), passed: z.boolean(), text: z.string() })).default([]),
  /** How the best settings compare with those in force; absent until both were measured side by side. */
  comparison: z
    .object({
      /** Share of the time saved, 0.12 = 12 % less; below 0 = slower. With its 95 % interval and the number of pairs. */
      gain: z.number(),
      low: z.number(),
      high: z.number(),
      n: z.number(),
      /** True where the interval says that it is no accident. */
      isBetter: z.boolean(),
    })
    .optional(),
  /** What a reader should know of the machine, e.g. a governor that moves the clock. */
  warnings: z.array(z.string()).optional(),
  /** What the search found out, in one sentence. */
  conclusion: z.string(),
});

/** One combination of settings as a run found it. */
export type TuneTrialRecord = Readonly<z.infer<typeof trialSchema>>;

/** One run of `sluice tune`, finished or not: its whole table. */
export type TuneRun = Readonly<z.infer<typeof tuneRunSchema>>;

/** A run of `sluice tune` as it is begun; `plan` is what the search needs to go on with it, as JSON. */
export type TuneRunRow = {
  readonly id: string;
  readonly model: string;
  readonly startedAt: string;
  readonly plan: string;
};

/** The part of the store that holds tuning runs. Writes are on the disk when they return. */
export interface TuneTable {
  /** Remembers a run as begun; one that is known stays as it is. */
  openTuneRun(run: TuneRunRow): void;
  /** Runs that have not ended, newest first. */
  openTuneRuns(): readonly TuneRunRow[];
  /** Keeps what one measurement gave, as JSON. */
  addTuneStep(runId: string, step: string): void;
  /** In the order they were added. */
  tuneSteps(runId: string): readonly string[];
  /** Keeps the table of a run as it stands; `ended`: nothing is left to resume. */
  saveTuneRun(run: TuneRun, ended: boolean): void;
  /** Tables of all runs that have measured something, newest first. Throws `store_failed` for one that cannot be read. */
  readTuneRuns(): readonly TuneRun[];
}

/** The tune_runs and tune_steps tables. All functions throw SQLite's own errors. */
export function openTuneTable(database: Database): TuneTable {
  const insertRun = database.prepare(`
    INSERT INTO tune_runs (id, model, started_at, plan) VALUES (@id, @model, @startedAt, @plan)
    ON CONFLICT (id) DO NOTHING`);
  const selectOpen = database.prepare<unknown[], TuneRunRow>(`
    SELECT id, model, started_at AS startedAt, plan FROM tune_runs WHERE ended = 0 ORDER BY started_at DESC, id DESC`);
  const insertStep = database.prepare('INSERT INTO tune_steps (run_id, step) VALUES (?, ?)');
  const selectSteps = database.prepare<unknown[], { step: string }>(
    'SELECT step FROM tune_steps WHERE run_id = ? ORDER BY seq',
  );
  const updateRun = database.prepare('UPDATE tune_runs SET run = @run, ended = @ended WHERE id = @id');
  const selectRuns = database.prepare<unknown[], { id: string; run: string }>(
    'SELECT id, run FROM tune_runs WHERE run IS NOT NULL ORDER BY started_at DESC, id DESC',
  );
  return {
    openTuneRun: (run) => durably(database, () => insertRun.run({ ...run })),
    openTuneRuns: () => selectOpen.all(),
    addTuneStep: (runId, step) => durably(database, () => insertStep.run(runId, step)),
    tuneSteps: (runId) => selectSteps.all(runId).map(({ step }) => step),
    saveTuneRun: (run, ended) =>
      durably(database, () => updateRun.run({ id: run.id, run: JSON.stringify(run), ended: ended ? 1 : 0 })),
    readTuneRuns: () => selectRuns.all().map(({ id, run }) => parseRun(id, run)),
  };
}

function parseRun(id: string, text: string): TuneRun {
  try {
    return tuneRunSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new GatewayError(
      'store_failed',
      `the stored table of tuning run ${id} cannot be read: it was written by another version of Sluice, or is damaged`,
      { cause },
    );
  }
}
