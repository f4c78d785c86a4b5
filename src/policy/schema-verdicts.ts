import { z } from 'zod';
import { closedMap, positiveDuration } from './schema-values.ts';

const rate = (value: number) => z.number().positive().max(10_000).default(value);
const tokens = (value: number) => z.int().min(1).max(1_000_000).default(value);

/**
 * `verdicts`: the bounds that say what a model is good for on this machine. The defaults are what was found out on the
 * reference board: 5 tok/s is the floor for conversation on its NPU; its 0.8B answers a standard chat in 11 s (excellent
 * raw speed), the 2B in 17 s (strong fast fallback), the 9B in 53 s (slow but practical); the 27B takes 163 s at
 * 0.54 tok/s and 95 % of the memory (not practical).
 */
export const verdictsSchema = closedMap({
  chat: closedMap({
    prompt_tokens: tokens(100).describe('Its prompt. Default 100.'),
    output_tokens: tokens(60).describe('Its answer. Default 60.'),
  })
    .prefault({})
    .describe('The standard chat that models are compared by, on the loaded model.'),
  excellent: positiveDuration().default(15_000).describe('A standard chat answered within this. Default 15s.'),
  comfortable: positiveDuration().default(30_000).describe('… within this. Default 30s.'),
  deliberate: positiveDuration()
    .default(90_000)
    .describe(
      '… within this: worth waiting for where the answer has to be better. Beyond it: batch only. Default 90s.',
    ),
  npu_decode_floor: rate(5).describe('An NPU model that decodes more slowly is at best deliberate, tok/s. Default 5.'),
  decode_floor: rate(1).describe(
    'A model beyond memory_share that decodes more slowly is not practical, tok/s. Default 1.',
  ),
  memory_share: z
    .number()
    .positive()
    .max(1)
    .default(0.85)
    .describe(
      'A model that takes more of the memory of all models, 0..1, leaves no room for another: batch only. Default 0.85.',
    ),
})
  .prefault({})
  .refine(({ excellent, comfortable, deliberate }) => excellent <= comfortable && comfortable <= deliberate, {
    error: 'expected excellent <= comfortable <= deliberate',
  });
