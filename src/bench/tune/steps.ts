import { z } from 'zod';
import type { Store } from '../../store/open-store.ts';
import { sampleSchema } from '../samples.ts';
import { tuneSettingsSchema } from './settings.ts';

const number = () => z.number().optional();

/** One measurement of a run of `sluice tune`, as it is kept: enough to go on with the run from. */
export const tuneStepSchema = z.discriminatedUnion('kind', [
  /** How many characters make a token, found out once. */
  z.object({ kind: z.literal('text'), charsPerToken: z.number(), templateTokens: z.number() }),
  /** One look at one arm. */
  z.object({
    kind: z.literal('trial'),
    arm: z.string(),
    phase: z.enum(['halving', 'climbing', 'confirming']),
    at: z.string(),
    tookMs: z.number(),
    /** What disturbed it. */
    flags: z.array(z.string()),
    loadMs: number(),
    ttftMs: number(),
    promptTps: number(),
    decodeTps: number(),
    wallMs: number(),
    costMs: number(),
    peakBytes: number(),
    pssBytes: number(),
    /** Why it cannot be used; absent = it can. */
    failure: z.string().optional(),
    /** It works, but so slowly that it was not waited for. */
    gaveUp: z.boolean().optional(),
  }),
  /** One quality item answered by a child with this KV cache. */
  z.object({
    kind: z.literal('answer'),
    cache: z.string(),
    step: z.string(),
    samples: z.array(sampleSchema),
    tookMs: z.number(),
  }),
  /** The answers with a KV cache, judged. */
  z.object({ kind: z.literal('verdict'), cache: z.string(), passed: z.boolean(), text: z.string() }),
]);

/** See {@link tuneStepSchema}. */
export type TuneStepRecord = Readonly<z.infer<typeof tuneStepSchema>>;

/** A look at one arm. */
export type TrialRecord = Extract<TuneStepRecord, { kind: 'trial' }>;

/** What a run does, as it is kept so that it can be gone on with. */
export const tunePlanSchema = z.object({
  /** Key of the model when the run began: another file or other settings are another run. */
  modelKey: z.string(),
  objective: z.object({
    kind: z.enum(['ttft', 'decode', 'e2e']),
    text: z.string(),
    promptTokens: z.number(),
    outputTokens: z.number(),
  }),
  memoryBytesMax: number(),
  budgetMs: number(),
  settleMs: z.number(),
  rounds: z.array(z.number()).readonly(),
  pairs: z.number(),
  space: z.object({
    axes: z
      .array(
        z.object({
          name: z.enum([
            'affinity',
            'threads',
            'flash-attention',
            'kv',
            'batch',
            'load-mode',
            'embed-flash',
            'context',
          ]),
          values: z.array(tuneSettingsSchema).readonly(),
        }),
      )
      .readonly(),
    inForce: tuneSettingsSchema,
    cpuCount: z.number(),
  }),
  machine: z.object({ kind: z.string(), cpus: z.string().optional(), model: z.string().optional() }),
  runtimeVersion: z.string().optional(),
  sluiceVersion: z.string(),
});

/** See {@link tunePlanSchema}. */
export type TuneRunPlan = Readonly<z.infer<typeof tunePlanSchema>>;

/** The measurements of a run. Each is on the disk before the next one begins. */
export interface TuneJournal {
  /** In the order they were taken. */
  all(): readonly TuneStepRecord[];
  add(step: TuneStepRecord): void;
}

/** Opens the journal of a run that the store knows. Throws `disk_full` or `store_failed`. */
export function openTuneJournal(store: Pick<Store, 'tuneSteps' | 'addTuneStep'>, runId: string): TuneJournal {
  const steps = store.tuneSteps(runId).map((text) => tuneStepSchema.parse(JSON.parse(text)) as TuneStepRecord);
  return {
    all: () => steps,
    add: (step) => {
      store.addTuneStep(runId, JSON.stringify(step));
      steps.push(step);
    },
  };
}
