import { z } from 'zod';
import { MODEL_CLASSES } from '../core/classes.ts';
import { RUNTIME_KINDS } from '../core/runtime.ts';
import { batchSchema } from './schema-batch.ts';
import { benchSchema } from './schema-bench.ts';
import { classesSchema, classifySchema } from './schema-classes.ts';
import { gatewaySchema, machineSchema } from './schema-machine.ts';
import { observeSchema } from './schema-observe.ts';
import { routingSchema } from './schema-routing.ts';
import { samplingSchema, settingsSchema } from './schema-settings.ts';
import { closedMap, identifier, modelName, positiveDuration, text } from './schema-values.ts';
import { verdictsSchema } from './schema-verdicts.ts';

const deviceSchema = closedMap({
  lanes: z.int().min(1).max(256).default(1).describe('Generations at a time on this device.'),
});

const runtimeSchema = closedMap({
  kind: z
    .enum(RUNTIME_KINDS, { error: `expected one of ${RUNTIME_KINDS.join(', ')}` })
    .describe('Program family; a folder under runtimes/.'),
  device: identifier().describe('Device its runs occupy.'),
  binary: text().optional().describe('Program: a name on PATH or in the install prefix, or a path.'),
  bench_binary: text().optional().describe('Benchmark program: a name on PATH or in the install prefix, or a path.'),
  library: text().optional().describe('Shared library to load: a name for the system loader, or a path.'),
  settings: settingsSchema.prefault({}).describe("Launch settings of all its models; a model's own lie over them."),
});

const keepSchema = z
  .union(
    [
      z.enum(['resident', 'never']),
      closedMap({ idle: positiveDuration().describe('Unload after this long without a request, e.g. 15m.') }),
    ],
    { error: 'expected resident, never or { idle: 15m }' },
  )
  .default({ idle: 900_000 });

const capabilitiesSchema = closedMap({
  streaming: z.boolean().optional().describe('Can stream.'),
  tools: z.boolean().optional().describe('Can call tools.'),
  vision: z.boolean().optional().describe('Takes images.'),
  audio: z.boolean().optional().describe('Takes audio.'),
  json_schema: z.boolean().optional().describe('Guarantees JSON and JSON-schema output by a grammar.'),
  logprobs: z.boolean().optional().describe('Returns token probabilities.'),
  generation: z.boolean().optional().describe('Answers in words; false: never chosen for a chat.'),
  completions: z.boolean().optional().describe('Goes on with a raw prompt, past its chat template.'),
  embeddings: z.boolean().optional().describe('Computes embeddings.'),
  rerank: z.boolean().optional().describe('Scores documents against a query.'),
  thinking: z.boolean().optional().describe('Thinks before it answers.'),
});

const modelSchema = closedMap({
  runtime: identifier().describe('Runtime that serves it.'),
  file: text().describe(
    "Model file; a relative path starts at the policy file's folder. May be missing: then it is listed, never chosen.",
  ),
  aliases: z.array(modelName()).default([]).describe('Further names clients may use.'),
  quality: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe('Quality prior 0..1; counts as much as a dozen measured items of a task.'),
  keep: keepSchema.describe(
    'resident: loaded at start and kept; { idle: 15m }: unloaded after that; never: after each use.',
  ),
  classes: z
    .array(z.enum(MODEL_CLASSES))
    .min(1)
    .optional()
    .describe('Only these classes may choose it; absent: all. [batch] keeps it out of everything else.'),
  settings: settingsSchema.prefault({}).describe("Laid over the runtime's settings, key by key."),
  sampling: samplingSchema.default({}).describe('Sampling defaults for requests that do not set them.'),
  enabled: z.boolean().default(true).describe('false: declared, never chosen.'),
  capabilities: capabilitiesSchema
    .default({})
    .describe("What you know better than the runtime: overrides the runtime's own word."),
});

const clientSchema = closedMap({
  name: identifier().describe('Name shown in logs and usable in rules.'),
  key_env: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'expected the name of an environment variable' })
    .describe('Environment variable that holds the API key. The key itself never stands in this file.'),
  class: z.enum(MODEL_CLASSES).optional().describe('Class of its requests that name none.'),
  requests_per_minute: z.int().min(1).optional().describe('More are refused with 429.'),
  max_tokens: z.int().min(1).optional().describe('Upper bound put on max_tokens.'),
  concurrent: z.int().min(1).optional().describe('Requests at a time; more are refused with 429.'),
  tokens_per_minute: z
    .int()
    .min(1)
    .optional()
    .describe('Prompt and output together; a request that would take more is refused with 429.'),
  daily: closedMap({
    requests: z.int().min(1).optional().describe('Requests a day; more are refused with 429 until midnight.'),
    tokens: z.int().min(1).optional().describe('Prompt and output a day; then 429 until midnight.'),
  })
    .optional()
    .describe('Budget from midnight to midnight, in the time zone of the batch window.'),
  classes: z
    .array(z.enum(MODEL_CLASSES))
    .min(1)
    .optional()
    .describe('Classes it may use; absent: all. A class it asks for by name is refused, one we found gives way.'),
  models: z.array(modelName()).min(1).optional().describe('Models it may use, by id; absent: all.'),
});

/** The whole policy file. Parsing gives ms, bytes and lists of numbers under the file's own keys. */
export const policySchema = closedMap({
  version: z.literal(1).describe('Version of this format.'),
  gateway: gatewaySchema.describe('The front door.'),
  machine: machineSchema.describe('Memory, environment and what must run before the first child.'),
  devices: z
    .record(identifier(), deviceSchema)
    .prefault({ cpu: {} })
    .describe('What a run occupies. Default: one device, cpu, with one lane.'),
  runtimes: z.record(identifier(), runtimeSchema).default({}).describe('Programs that serve models.'),
  models: z.record(modelName(), modelSchema).default({}).describe('Models by the id clients see.'),
  classes: classesSchema.describe('What clients may expect.'),
  routing: routingSchema.describe('How models that meet the targets are compared.'),
  classify: classifySchema.describe('How a request without a hint gets its class.'),
  batch: batchSchema.describe('When and how batches run.'),
  bench: benchSchema.describe('What is measured while nobody asks.'),
  observe: observeSchema.describe('Where traces and metrics are sent. Needs a restart.'),
  verdicts: verdictsSchema.describe('What a model is good for on this machine; shown, never routed by.'),
  clients: z.array(clientSchema).default([]).describe('Who may ask. None: everybody on this machine.'),
});

/** The file as it leaves the schema. */
export type ParsedPolicy = z.output<typeof policySchema>;
/** A model as it leaves the schema. */
export type ParsedModel = z.output<typeof modelSchema>;
