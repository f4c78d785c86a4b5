import { z } from 'zod';
import { TASKS } from '../core/classes.ts';
import type { BenchSamples, RawSamples, RequestSample } from './metrics/metric.ts';

/**
 * One thing that was measured, as the journal keeps it and the result file shows it. `flags` say what disturbed it; a
 * sample with flags stays in the file and counts only where there are too few without.
 */
const common = { round: z.int().nonnegative(), flags: z.array(z.string()).readonly() };

const requestFields = z.object({
  promptChars: z.number(),
  promptTokens: z.number(),
  outputTokens: z.number(),
  firstMs: z.number().optional(),
  lastMs: z.number().optional(),
  endMs: z.number(),
  prefillMs: z.number().optional(),
  decodeMs: z.number().optional(),
});

/** Schema of a sample in a result file; strict about what it uses, tolerant of the rest. */
export const sampleSchema = z.discriminatedUnion('kind', [
  z.looseObject({ kind: z.literal('load'), ...common, from: z.enum(['storage', 'cache']), ms: z.number() }),
  z.looseObject({ kind: z.literal('unload'), ...common, ms: z.number() }),
  z.looseObject({
    kind: z.literal('request'),
    ...common,
    length: z.enum(['short', 'middle', 'long', 'deep']),
    ...requestFields.shape,
  }),
  z.looseObject({
    kind: z.literal('raw'),
    ...common,
    depth: z.number(),
    promptTokens: z.number(),
    outputTokens: z.number(),
    prefillTokensPerSec: z.number(),
    decodeTokensPerSec: z.number(),
    build: z.string().optional(),
    command: z.string().optional(),
  }),
  /** What the model's file lies on; the rate is that of its first 64 MiB, absent where the page cache kept them. */
  z.looseObject({
    kind: z.literal('storage'),
    ...common,
    name: z.string().optional(),
    bytesPerSec: z.number().optional(),
  }),
  z.looseObject({
    kind: z.literal('memory'),
    ...common,
    peakBytes: z.number().optional(),
    proportionalBytes: z.number().optional(),
  }),
  /** One prompt alone and one while `withModel` generates. */
  z.looseObject({
    kind: z.literal('pair'),
    ...common,
    withModel: z.string(),
    ttftAloneMs: z.number(),
    ttftTogetherMs: z.number(),
    tpotAloneMs: z.number(),
    tpotTogetherMs: z.number(),
  }),
  /** One quality item or probe: whether the answer was right and how it looked, never the answer itself. */
  z.looseObject({
    kind: z.literal('answer'),
    ...common,
    /** Version of the item set. */
    set: z.int(),
    item: z.string(),
    /** Absent for probes, which have no right answer. */
    task: z.enum(TASKS).optional(),
    right: z.boolean().optional(),
    why: z.string().optional(),
    /** Why it is no text. */
    sign: z.string().optional(),
    detail: z.string().optional(),
  }),
  /** One stretch of a sustained run: medians of what was asked in it. */
  z.looseObject({
    kind: z.literal('sustained'),
    ...common,
    atMs: z.number(),
    prefillTokensPerSec: z.number().optional(),
    decodeTokensPerSec: z.number(),
    celsius: z.number().optional(),
    cpuKhz: z.number().optional(),
  }),
]);

/** A sample; see {@link sampleSchema}. */
export type BenchSample = Readonly<z.infer<typeof sampleSchema>>;

/** A request as it was timed, before it is known what disturbed it. */
export type TimedRequest = Readonly<z.infer<typeof requestFields>>;

/** With fewer undisturbed samples than this in a group the disturbed ones are taken as well. */
const CLEAN_MIN = 3;

/** What the metrics work on: samples sorted by kind, disturbed ones left out where enough others are there. */
export function samplesOf(all: readonly BenchSample[]): BenchSamples {
  const loads = all.filter((sample) => sample.kind === 'load');
  const requests = (length: 'short' | 'middle' | 'long' | 'deep') =>
    undisturbed(all.filter((sample) => sample.kind === 'request' && sample.length === length)).flatMap(toRequest);
  const memory = all.filter((sample) => sample.kind === 'memory');
  return {
    loadsMs: undisturbed(loads.filter(({ from }) => from === 'cache')).map(({ ms }) => ms),
    coldLoadsMs: undisturbed(loads.filter(({ from }) => from === 'storage')).map(({ ms }) => ms),
    unloadsMs: all.flatMap((sample) => (sample.kind === 'unload' ? [sample.ms] : [])),
    requests: [...requests('short'), ...requests('middle'), ...requests('long')],
    deep: requests('deep'),
    peakMemoryBytes: memory.flatMap(({ peakBytes }) => peakBytes ?? []),
    proportionalMemoryBytes: memory.flatMap(({ proportionalBytes }) => proportionalBytes ?? []),
    raw: rawOf(all),
    sustained: all.filter((sample) => sample.kind === 'sustained'),
    answers: all.filter((sample) => sample.kind === 'answer'),
  };
}

/** How many of the samples are disturbed. */
export const disturbedCount = (samples: readonly BenchSample[]): number =>
  samples.filter(({ flags }) => flags.length > 0).length;

function undisturbed<Sample extends BenchSample>(samples: readonly Sample[]): readonly Sample[] {
  const clean = samples.filter(({ flags }) => flags.length === 0);
  return clean.length >= CLEAN_MIN ? clean : samples;
}

function toRequest(sample: BenchSample): readonly RequestSample[] {
  if (sample.kind !== 'request') return [];
  const { round, length, promptChars, promptTokens, outputTokens, endMs } = sample;
  return [
    {
      repetition: round,
      length: length === 'deep' ? 'long' : length,
      isComplete: length === 'middle',
      ...{ promptChars, promptTokens, outputTokens, endMs },
      ...{ firstMs: sample.firstMs, lastMs: sample.lastMs },
      ...{ prefillMs: sample.prefillMs, decodeMs: sample.decodeMs },
    },
  ];
}

function rawOf(all: readonly BenchSample[]): readonly RawSamples[] {
  const raw = all.filter((sample) => sample.kind === 'raw');
  const depths = [...new Set(raw.map(({ depth }) => depth))].toSorted((a, b) => a - b);
  return depths.flatMap((depth) => {
    const here = undisturbed(raw.filter((sample) => sample.depth === depth));
    const [first] = here;
    if (first === undefined) return [];
    return {
      depth,
      promptTokens: first.promptTokens,
      outputTokens: first.outputTokens,
      prefillTokensPerSec: here.map((sample) => sample.prefillTokensPerSec),
      decodeTokensPerSec: here.map((sample) => sample.decodeTokensPerSec),
    };
  });
}
