import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { MODEL_CLASSES, TASKS, type Task } from '../core/classes.ts';
import { GatewayError } from '../core/errors.ts';
import { packageRoot } from '../core/package-root.ts';
import { expectation, pathText, problemLine, schemaProblems } from '../policy/problems.ts';
import { closedMap, positiveDuration, text } from '../policy/schema-values.ts';
import { readSource } from '../policy/source-text.ts';
import type { RequestPlan, TaskShare, WorkloadPlan } from './workload.ts';

const ONLINE = MODEL_CLASSES.filter((name) => name !== 'batch');

const timeOfDay = () =>
  z
    .string({ error: () => 'expected a time of day such as "17:00"' })
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, { error: 'expected a time of day such as "17:00"' })
    .transform((value) => Number(value.slice(0, 2)) * 60 + Number(value.slice(3)));

const length = () => closedMap({ median: z.number().positive().max(4_000), sigma: z.number().min(0).max(3) });
const taskShare = () => closedMap({ share: z.number().positive(), length: z.number().positive().max(100).default(1) });
const tasks = () =>
  z
    .partialRecord(z.enum(TASKS), taskShare())
    .refine((value) => Object.keys(value).length > 0, { error: `expected at least one of ${TASKS.join(', ')}` });
const lengths = { prompt: length(), output: length(), tasks: tasks() };

/** Schema of a workload file; unknown keys are errors. */
export const workloadSchema = closedMap({
  version: z.literal(1),
  name: text(),
  start: timeOfDay().default(12 * 60),
  duration: positiveDuration().refine((ms) => ms <= 7 * 86_400_000, { error: 'expected at most 7d' }),
  burstiness: z.number().min(0.05).max(100).default(1),
  day: closedMap({ peak: timeOfDay(), low: z.number().min(0).max(1) }).default({ peak: 0, low: 1 }),
  classes: z.partialRecord(
    z.enum(ONLINE),
    closedMap({ per_hour: z.number().min(0).max(100_000), stream: z.boolean().default(false), ...lengths }),
  ),
  batch: closedMap({
    items: z.int().min(0).max(100_000),
    arrives: timeOfDay(),
    deadline: timeOfDay(),
    ...lengths,
  }).optional(),
});

/** Where the workload of the routing study lies. */
export const referenceWorkloadFile = (): string => join(packageRoot(), 'src', 'simulate', 'reference-workload.yaml');

/** The workload of the routing study: a day of some 1,370 requests and 48 batch items. */
export function referenceWorkload(): WorkloadPlan {
  const file = referenceWorkloadFile();
  return parseWorkload(readFileSync(file, 'utf8'), file);
}

/**
 * Reads a workload from YAML. Throws `invalid_config` with one line per problem: `FILE:LINE:COLUMN path: message`.
 */
export function parseWorkload(source: string, file: string): WorkloadPlan {
  const yaml = readSource(source);
  const faults = yaml.faults.map((fault) => ({ ...fault, path: pathText(fault.path) }));
  const parsed = faults.length > 0 ? undefined : workloadSchema.safeParse(yaml.root, { error: expectation });
  const problems = [...faults, ...(parsed?.error === undefined ? [] : schemaProblems(yaml, parsed.error.issues))];
  if (parsed?.data === undefined || problems.length > 0) {
    const ordered = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
    throw new GatewayError('invalid_config', ordered.map((problem) => problemLine(file, problem)).join('\n'));
  }
  return planOf(parsed.data);
}

function planOf(parsed: z.infer<typeof workloadSchema>): WorkloadPlan {
  const streams = ONLINE.flatMap((name) => {
    const found = parsed.classes[name];
    if (found === undefined) return [];
    return [{ class: name, perHour: found.per_hour, stream: found.stream, ...requestPlan(found) }];
  });
  const { batch } = parsed;
  return {
    name: parsed.name,
    startMinute: parsed.start,
    durationMs: parsed.duration,
    burstiness: parsed.burstiness,
    day: { peakMinute: parsed.day.peak, low: parsed.day.low },
    streams,
    batch:
      batch === undefined
        ? undefined
        : {
            items: batch.items,
            arrivesMinute: batch.arrives,
            deadlineMinute: batch.deadline,
            ...requestPlan(batch),
          },
  };
}

type Lengths = Pick<NonNullable<z.infer<typeof workloadSchema>['batch']>, 'prompt' | 'output' | 'tasks'>;

function requestPlan({ prompt, output, tasks: shares }: Lengths): RequestPlan {
  const list: TaskShare[] = [];
  for (const [task, entry] of Object.entries(shares)) {
    list.push({ task: task as Task, share: entry.share, length: entry.length });
  }
  return { prompt, output, tasks: list };
}
