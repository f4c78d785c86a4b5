import { z } from 'zod';
import { MODEL_CLASSES, type ModelClass, TASKS } from '../core/classes.ts';
import { closedMap, modelName, pattern, positiveDuration, text, windowMinutes } from './schema-values.ts';
import { isTimeZone } from './window.ts';

type ClassDefaults = {
  readonly quantile: number;
  readonly outputTokens: number;
  readonly whenNone: 'degrade' | 'defer' | 'reject';
  readonly yieldTo: ModelClass[];
};

/**
 * Defaults that differ by class. The output priors are the median lengths the routing study simulated (route 8,
 * interactive 55, quality 150, batch 280 tokens) times 3, 1.5, 2 and 2: a guess on the long side, replaced as soon as
 * traffic has shown its own lengths. The median is enough for batch, where nobody waits.
 */
export const CLASS_DEFAULTS: Readonly<Record<ModelClass, ClassDefaults>> = {
  route: { quantile: 0.8, outputTokens: 24, whenNone: 'degrade', yieldTo: [] },
  interactive: { quantile: 0.8, outputTokens: 80, whenNone: 'degrade', yieldTo: [] },
  quality: { quantile: 0.8, outputTokens: 300, whenNone: 'degrade', yieldTo: [] },
  batch: { quantile: 0.5, outputTokens: 600, whenNone: 'defer', yieldTo: ['route', 'interactive', 'quality'] },
};

const classSchema = (name: ModelClass) => {
  const defaults = CLASS_DEFAULTS[name];
  return closedMap({
    ttft: positiveDuration().optional().describe('Target for the first token, from arrival. Absent: no target.'),
    e2e: positiveDuration().optional().describe('Target for the whole answer, from arrival. Absent: no target.'),
    min_quality: z.number().min(0).max(1).default(0).describe('Models below this quality are not chosen (0..1).'),
    when_none: z
      .enum(['degrade', 'defer', 'reject'])
      .default(defaults.whenNone)
      .describe('When no model meets the targets: take the nearest and say so, wait for the window, or refuse.'),
    prefer: modelName().optional().describe('Model that wins whenever it is feasible.'),
    quantile: z
      .number()
      .gt(0)
      .lt(1)
      .default(defaults.quantile)
      .describe('Share of answers the predicted length must cover (0..1).'),
    output_tokens: z
      .int()
      .min(1)
      .default(defaults.outputTokens)
      .describe('Output length at that quantile, until traffic has shown its own.'),
    window: windowMinutes()
      .optional()
      .describe('Daily hours in which the class runs, e.g. "22:00-07:00"; may cross midnight.'),
    timezone: text()
      .refine(isTimeZone, { error: 'expected an IANA time zone such as Europe/Berlin or UTC' })
      .optional()
      .describe("IANA time zone of the window; absent: the machine's own."),
    yield_to: z
      .array(z.enum(MODEL_CLASSES))
      .default(defaults.yieldTo)
      .describe('Classes that may interrupt a run of this one.'),
  }).prefault({});
};

/** `classes`: what a client may expect of each class. */
export const classesSchema = closedMap({
  route: classSchema('route').describe('Routing and background micro-tasks: titles, labels, one-word answers.'),
  interactive: classSchema('interactive').describe('Somebody waits in front of the screen.'),
  quality: classSchema('quality').describe('Somebody waits, and prefers a better answer to a quick one.'),
  batch: classSchema('batch').describe('Nobody waits.'),
}).prefault({});

/** One class as it leaves the schema. */
export type ParsedClass = z.output<ReturnType<typeof classSchema>>;

const headerSchema = closedMap({
  name: text().describe('Header name, case ignored.'),
  equals: z.string().optional().describe('The value, exactly.'),
  matches: pattern().optional().describe('Regular expression the value matches, case ignored.'),
});

const conditionSchema = closedMap({
  max_tokens_lte: z.int().min(0).optional().describe('The request allows at most this many output tokens.'),
  max_tokens_gte: z.int().min(0).optional().describe('The request allows at least this many output tokens.'),
  prompt_tokens_lte: z.int().min(0).optional().describe('The prompt has at most this many tokens (estimated).'),
  prompt_tokens_gte: z.int().min(0).optional().describe('The prompt has at least this many tokens (estimated).'),
  system_matches: pattern().optional().describe('Regular expression on the system text, case ignored.'),
  last_user_matches: pattern().optional().describe('Regular expression on the last user message, case ignored.'),
  header: headerSchema.optional().describe('A request header: present, equal to a text, or matching.'),
  client: text().optional().describe('Name of the client whose key was used.'),
  stream: z.boolean().optional().describe('Whether the answer is streamed.'),
  has_tools: z.boolean().optional().describe('Whether the request offers tools.'),
  has_images: z.boolean().optional().describe('Whether the request carries images.'),
  task: z.enum(TASKS).optional().describe('What the text is about.'),
}).refine((condition) => Object.keys(condition).length > 0, {
  error: 'expected at least one condition; an empty rule would take every request',
});

/** `classify`: rules for requests that do not name their class. */
export const classifySchema = closedMap({
  rules: z
    .array(
      closedMap({
        when: conditionSchema.describe('All conditions given must hold.'),
        class: z.enum(MODEL_CLASSES).describe('Class of the requests it takes.'),
      }),
    )
    .default([])
    .describe('The first rule that holds wins; a hint of the client wins over all rules.'),
  model: modelName()
    .default('linear')
    .describe(
      'Who guesses task and class: linear (built in, some 20 us), off, or a small model, asked within the budget.',
    ),
  confidence: z.number().min(0).max(1).default(0.6).describe('Guesses below this probability are not used (0..1).'),
  budget: positiveDuration()
    .default(300)
    .describe('A model is asked only where it is expected to answer within this time; else the built-in one guesses.'),
  allow_batch: z
    .boolean()
    .default(false)
    .describe('true: a guess alone may make a request batch, which may be refused outside its window; false: quality.'),
}).prefault({});

/** A rule as it leaves the schema. */
export type ParsedRule = z.output<typeof classifySchema>['rules'][number];
