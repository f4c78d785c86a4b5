import { z } from 'zod';
import { messageOf } from '../core/errors.ts';
import { closedMap, positiveDuration, size } from './schema-values.ts';
import { parseWindows } from './windows.ts';

const windowsText = z
  .string({ error: 'expected always or windows such as "Mon-Fri 22:00-07:00; Sat-Sun 00:00-24:00"' })
  .superRefine((text, context) => {
    if (text === 'always') return;
    try {
      // The zone is settled later; what the text itself names is checked here.
      parseWindows(text, 'UTC');
    } catch (thrown) {
      context.addIssue({ code: 'custom', message: messageOf(thrown) });
    }
  });

/** `batch`: when and how batches run. */
export const batchSchema = closedMap({
  windows: windowsText
    .optional()
    .describe(
      'When batches run: "22:00-07:00", "Mon-Fri 22:00-07:00 Europe/Berlin; Sat-Sun 00:00-24:00", or always. Absent: the window of class batch. A batch may name its own.',
    ),
  idle: z
    .union([z.literal('off'), positiveDuration()], { error: 'expected off or a duration such as 30m' })
    .default('off')
    .describe('Also outside the windows once nobody has asked for so long. Default off.'),
  temperature_max: z
    .number()
    .min(20)
    .max(120)
    .default(85)
    .describe('No item is begun while the hottest thermal zone is at or above this, degrees Celsius. Default 85.'),
  load_max: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe('No item is begun while other programs take more of the CPUs than this share. Default 0.5.'),
  yield: z
    .enum(['finish', 'stop', 'resume'], { error: 'expected finish, stop or resume' })
    .default('resume')
    .describe(
      'What an item does when somebody waits. finish: it ends first. stop: it is stopped and run again later. resume: it is stopped and goes on where it was, where the runtime can. Default resume.',
    ),
  swap_back: positiveDuration()
    .default(120_000)
    .describe(
      'An item that would push out a model that people use waits until nobody has asked for so long; longer where people ask again and again. Default 2m.',
    ),
  crashes_max: z
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe('An item over which a child has died so often goes to the error file. Default 3.'),
  file_limit: size().default(200_000_000).describe('Largest file that may be uploaded. Default 200MB.'),
  lines_max: z.int().min(1).max(1_000_000).default(50_000).describe('Most lines of one batch. Default 50000.'),
  keep_files: positiveDuration()
    .default(14 * 86_400_000)
    .describe('Files without an expiry of their own are deleted after this. Default 14d.'),
}).prefault({});

/** `batch` as it leaves the schema. */
export type ParsedBatch = z.output<typeof batchSchema>;
