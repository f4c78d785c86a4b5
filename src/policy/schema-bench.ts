import { z } from 'zod';
import { closedMap, positiveDuration } from './schema-values.ts';

const idleSchema = closedMap({
  after: positiveDuration().default(120_000).describe('Only after this long without any request. Default 2m.'),
  temperature_max: z
    .number()
    .min(20)
    .max(120)
    .default(80)
    .describe('Only while the hottest thermal zone is below this, degrees Celsius. Default 80.'),
  max_age: positiveDuration()
    .default(7 * 86_400_000)
    .describe('Figures older than this are measured again. Default 7d.'),
});

/** `bench`: what is measured while nobody asks. */
export const benchSchema = closedMap({
  idle: z
    .union([z.literal('off'), idleSchema], { error: 'expected off or { after: 2m, temperature_max: 80, max_age: 7d }' })
    .prefault({})
    .describe(
      'Loaded models whose figures are stale, drifting, too old or missing are measured while nobody asks; a request ends it at once. off: only "sluice bench" measures.',
    ),
}).prefault({});
