/**
 * The file a trained model is kept in:
 *
 *   "SLCW"  4 bytes   then the length of the header, 4 bytes little endian
 *   header            JSON: version of the features, buckets, outputs in order, scales, bias, temperatures, what it was trained on
 *   weights           one signed byte per bucket and output, row by row
 *
 * It is read as it is: no unpacking, under a millisecond, 786 kB.
 */
import { z } from 'zod';
import { MODEL_CLASSES, TASKS } from '../../core/classes.ts';
import { GatewayError } from '../../core/errors.ts';
import { BUCKETS } from './feature-vector.ts';
import { FEATURE_VERSION } from './features.ts';
import { type LinearModel, OUTPUTS } from './model.ts';

/** What a model was trained on and how well it did, for people. */
export type TrainingNotes = {
  /** Labelled requests it was trained on. */
  readonly examples: number;
  /** How many of them came from the user's own labels. */
  readonly ownExamples: number;
  /** Share of held-out requests whose task and class it named, 0..1. */
  readonly heldOutTask: number;
  readonly heldOutClass: number;
};

/** A model with its notes. */
export type StoredModel = { readonly model: LinearModel; readonly notes: TrainingNotes };

const MAGIC = 'SLCW';
const HEADER_START = 8;

const numbers = z.array(z.number()).length(OUTPUTS);
const headerSchema = z.strictObject({
  features: z.number(),
  buckets: z.number(),
  outputs: z.array(z.string()),
  scales: numbers,
  bias: numbers,
  taskTemperature: z.number().positive(),
  classTemperature: z.number().positive(),
  notes: z.strictObject({
    examples: z.number(),
    ownExamples: z.number(),
    heldOutTask: z.number(),
    heldOutClass: z.number(),
  }),
});

/** The bytes of a weights file. */
export function encodeWeights({ model, notes }: StoredModel): Buffer {
  const header = Buffer.from(
    JSON.stringify({
      features: FEATURE_VERSION,
      buckets: BUCKETS,
      outputs: outputNames(),
      scales: [...model.scales],
      bias: [...model.bias],
      taskTemperature: model.taskTemperature,
      classTemperature: model.classTemperature,
      notes,
    } satisfies z.input<typeof headerSchema>),
  );
  const start = Buffer.alloc(HEADER_START);
  start.write(MAGIC, 'latin1');
  start.writeUInt32LE(header.length, MAGIC.length);
  return Buffer.concat([
    start,
    header,
    new Uint8Array(model.weights.buffer, model.weights.byteOffset, model.weights.length),
  ]);
}

/**
 * Reads a weights file. `name` stands in messages. Throws `invalid_config` where it is cut short, is something else, or
 * belongs to another version of the features; "sluice train" makes a new one.
 */
export function decodeWeights(bytes: Buffer, name: string): StoredModel {
  const refuse = (why: string, cause?: unknown) =>
    new GatewayError('invalid_config', `${name} ${why}; make it anew with "sluice train" or delete it`, { cause });
  if (bytes.length < HEADER_START || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    throw refuse('is not a file of classifier weights');
  }
  const weightsStart = HEADER_START + bytes.readUInt32LE(MAGIC.length);
  if (bytes.length !== weightsStart + BUCKETS * OUTPUTS) {
    throw refuse(`has ${bytes.length} bytes where ${weightsStart + BUCKETS * OUTPUTS} belong`);
  }
  let header: z.output<typeof headerSchema>;
  try {
    header = headerSchema.parse(JSON.parse(bytes.toString('utf8', HEADER_START, weightsStart)));
  } catch (cause) {
    throw refuse('has a header that cannot be read', cause);
  }
  const sameShape = header.buckets === BUCKETS && header.outputs.join() === outputNames().join();
  if (header.features !== FEATURE_VERSION || !sameShape) throw refuse('was made by another version of Sluice');
  return {
    model: {
      weights: new Int8Array(bytes.buffer, bytes.byteOffset + weightsStart, BUCKETS * OUTPUTS),
      scales: Float32Array.from(header.scales),
      bias: Float32Array.from(header.bias),
      taskTemperature: header.taskTemperature,
      classTemperature: header.classTemperature,
    },
    notes: header.notes,
  };
}

const outputNames = (): string[] => [
  ...TASKS.map((task) => `task ${task}`),
  ...MODEL_CLASSES.map((name) => `class ${name}`),
];
