import { z } from 'zod';
import { PROFILE_METRICS } from '../core/profile.ts';
import { UNITS } from './metrics/metric.ts';
import { sampleSchema } from './samples.ts';

/**
 * A benchmark run as its JSON file holds it; bench-results/README.md explains every field. The schema is tolerant of
 * fields it does not know, because files of a newer Sluice may be imported, and strict about those it uses.
 */
export const RESULT_SCHEMA = 1;

const series = z.looseObject({
  metric: z.string(),
  unit: z.enum(UNITS),
  side: z.enum(['served', 'runtime', 'raw']),
  promptTokens: z.number().optional(),
  value: z.number(),
  low: z.number().optional(),
  high: z.number().optional(),
  n: z.int().nonnegative(),
  provisional: z.boolean(),
  samples: z.array(z.number()).readonly(),
});

const figure = z.looseObject({
  metric: z.enum(PROFILE_METRICS),
  side: z.enum(['served', 'raw']),
  value: z.number(),
  n: z.int().nonnegative(),
  low: z.number().optional(),
  high: z.number().optional(),
  source: z.string(),
  at: z.string().optional(),
});

const machineState = z.looseObject({
  at: z.string(),
  frequencies: z
    .array(
      z.looseObject({
        cpus: z.string(),
        governor: z.string().optional(),
        currentKhz: z.number().optional(),
        minKhz: z.number().optional(),
        maxKhz: z.number().optional(),
      }),
    )
    .readonly(),
  temperatures: z.array(z.looseObject({ zone: z.string(), celsius: z.number() })).readonly(),
  /** Clocks of the NPU and of the memory controller. */
  deviceClocks: z
    .array(
      z.looseObject({
        device: z.string(),
        governor: z.string().optional(),
        currentKhz: z.number().optional(),
        minKhz: z.number().optional(),
        maxKhz: z.number().optional(),
      }),
    )
    .readonly()
    .optional(),
  memoryAvailableBytes: z.number().optional(),
});

const machine = z.looseObject({
  model: z.string().optional(),
  soc: z.string().optional(),
  compatible: z.array(z.string()).readonly().optional(),
  vendor: z.string().optional(),
  architecture: z.string(),
  cpuModel: z.string().optional(),
  cpus: z.string().optional(),
  kernel: z.string().optional(),
  /** Version of Rockchip's NPU driver, or what is known of it. */
  npuDriver: z.string().optional(),
  memoryBytes: z.number().optional(),
  swapBytes: z.number().optional(),
});

const modelFile = z.looseObject({
  name: z.string(),
  sizeBytes: z.number(),
  /** Of the whole file. */
  sha256: z.string().optional(),
});

/** Memory of keys and values: layers × KV heads × lengths × bytes of the cache types, for each token of context. */
const kvCache = z.looseObject({
  bytesPerToken: z.number(),
  contextTokens: z.number(),
  /** At that context. */
  bytes: z.number(),
  /** Of the peak memory that was measured, 0..1; absent before it was. */
  shareOfPeak: z.number().optional(),
});

/** The state of the machine and the builds in use, as names and values; `id` is a digest of those that change speeds. */
const fingerprint = z.looseObject({
  id: z.string(),
  facts: z.record(z.string(), z.string()),
  /** What is worth knowing and changes no speed: Sluice's version, the storage's read speed. */
  notes: z.record(z.string(), z.string()).optional(),
});

const modelResult = z.looseObject({
  model: z.string(),
  runtime: z.string(),
  /** Device and runtime kind of the policy it was measured under; absent in files of older versions. */
  device: z.string().optional(),
  runtimeKind: z.string().optional(),
  outcome: z.enum(['measured', 'unavailable', 'failed', 'aborted']),
  /** Why there are no figures, or not all. */
  reason: z.string().optional(),
  remedy: z.string().optional(),
  /** File identity and settings, see store/model-key.ts; absent when the file could not be read. */
  modelKey: z.string().optional(),
  file: modelFile.optional(),
  quantization: z.string().optional(),
  architecture: z.string().optional(),
  parametersBillion: z.number().optional(),
  /** What keys and values of the context take; absent where the file does not tell, and in files of older versions. */
  kvCache: kvCache.optional(),
  settings: z.record(z.string(), z.unknown()),
  cpusUsed: z.string().optional(),
  runtimeVersion: z.string().optional(),
  rawVersion: z.string().optional(),
  rawCommand: z.string().optional(),
  start: machineState.optional(),
  end: machineState.optional(),
  /** State the figures belong to; absent in files of older versions. */
  fingerprint: fingerprint.optional(),
  warnings: z.array(z.string()).readonly(),
  series: z.array(series).readonly(),
  figures: z.array(figure).readonly(),
  /** Everything that was measured, with what disturbed it; absent in files of older versions. */
  samples: z.array(sampleSchema).readonly().optional(),
});

/** One model's times while another one generates, over its times alone. */
const pair = z.looseObject({
  model: z.string(),
  modelKey: z.string(),
  device: z.string(),
  withModel: z.string(),
  withDevice: z.string(),
  prefillFactor: series.optional(),
  decodeFactor: series.optional(),
  /** Why there are no factors. */
  reason: z.string().optional(),
  flags: z.array(z.string()).readonly(),
});

/** Schema of a result file. */
export const benchDocumentSchema = z.looseObject({
  kind: z.literal('sluice-bench'),
  schema: z.literal(RESULT_SCHEMA),
  /** Part of a file's name, so it may hold nothing that would lead elsewhere. */
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]*$/, { error: 'expected letters, digits, dots and dashes' }),
  startedAt: z.iso.datetime({ error: 'expected a time such as 2026-11-20T22:00:00.000Z' }),
  finishedAt: z.string().optional(),
  sluiceVersion: z.string(),
  repetitions: z.int().positive(),
  settleMs: z.number().nonnegative(),
  machine,
  /** False while a run goes on, or where it was broken off; absent in files of older versions. */
  complete: z.boolean().optional(),
  models: z.array(modelResult).readonly(),
  /** Models measured while another one ran, from `--pairs`. */
  pairs: z.array(pair).readonly().optional(),
});

/** JSON Schema (2020-12) of a result file, as `bench-results/result.schema.json` holds it. */
export function resultJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(benchDocumentSchema, { io: 'input' });
  return { $schema, title: 'Result of sluice bench', ...schema };
}

/** A benchmark run. */
export type BenchDocument = Readonly<z.infer<typeof benchDocumentSchema>>;
/** What a run says about one model. */
export type BenchModelResult = Readonly<z.infer<typeof modelResult>>;
/** A figure of a run that becomes part of the model's profile. */
export type BenchFigure = Readonly<z.infer<typeof figure>>;
/** What the machine is. */
export type Machine = Readonly<z.infer<typeof machine>>;
/** What the machine's clocks, temperatures and memory were at one moment. */
export type MachineState = Readonly<z.infer<typeof machineState>>;
/** Co-run figures of one model beside another. */
export type BenchPair = Readonly<z.infer<typeof pair>>;
/** State of the machine a result belongs to. */
export type BenchFingerprint = Readonly<z.infer<typeof fingerprint>>;
