import { z } from 'zod';
import { messageOf } from '../core/errors.ts';
import { didYouMean } from './suggest.ts';
import {
  CPU_LIST_PATTERN,
  DURATION_PATTERN,
  parseCpuList,
  parseDurationMs,
  parseSizeBytes,
  parseWindowMinutes,
  SIZE_PATTERN,
  WINDOW_PATTERN,
} from './units.ts';

// Messages here name what was expected; `problems.ts` adds the value that stood there instead.

/** A map with these keys only. An unknown key's message names the closest known one; one line per unknown key. */
export function closedMap<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => unknownKey(key, Object.keys(shape))).join('\n')
        : undefined,
  });
}

/** A text that `parse` turns into a value; what `parse` throws becomes the message. */
function unitText<Value>(unit: { expected: string; pattern: string; parse: (text: string) => Value }) {
  return z
    .string({ error: () => `expected ${unit.expected}` })
    .meta({ pattern: unit.pattern })
    .transform((text, context): Value => {
      try {
        return unit.parse(text);
      } catch (thrown) {
        context.addIssue({ code: 'custom', message: messageOf(thrown) });
        return z.NEVER;
      }
    });
}

/** Duration, read into ms. */
export const duration = () =>
  unitText({
    expected: 'a duration such as 250ms, 20s, 15m, 2h or 1d',
    pattern: DURATION_PATTERN,
    parse: parseDurationMs,
  });

/** Duration above zero, read into ms. */
export const positiveDuration = () =>
  duration().refine((durationMs) => durationMs > 0, { error: 'expected a duration above zero' });

/** Size, read into bytes. */
export const size = () =>
  unitText({ expected: 'a size such as 256MB or 24GB', pattern: SIZE_PATTERN, parse: parseSizeBytes });

/** Daily window, read into minutes; the time zone joins it later. */
export const windowMinutes = () =>
  unitText({
    expected: 'a daily window such as "22:00-07:00"',
    pattern: WINDOW_PATTERN,
    parse: (text) => ({ ...parseWindowMinutes(text), text }),
  });

/** Regular expression, compiled without regard to case. At most 500 characters. */
export const pattern = () =>
  z
    .string()
    .min(1)
    .max(500)
    .transform((source, context): RegExp => {
      try {
        return new RegExp(source, 'i');
      } catch (thrown) {
        context.addIssue({ code: 'custom', message: `expected a regular expression (${messageOf(thrown)})` });
        return z.NEVER;
      }
    });

/** CPU list, read into numbers; one CPU may be written as a number. */
export const cpuList = () =>
  z
    .union([z.string().meta({ pattern: CPU_LIST_PATTERN }), z.int().min(0)], {
      error: 'expected a list of CPUs such as 0-3,6',
    })
    .transform((value, context): readonly number[] => {
      try {
        return parseCpuList(String(value));
      } catch (thrown) {
        context.addIssue({ code: 'custom', message: messageOf(thrown) });
        return z.NEVER;
      }
    });

/** Text that may not be empty. */
export const text = () => z.string().min(1);

/** Command-line words: text, or a number as YAML reads `[-t, 6]`. */
export const words = () =>
  z.array(
    z.union([z.string(), z.number()], { error: 'expected text or a number' }).transform((value) => String(value)),
  );

/** Environment variables; numbers and booleans are taken as they are written. */
export const environment = () =>
  z.record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'expected the name of an environment variable' }),
    z
      .union([z.string(), z.number(), z.boolean()], { error: 'expected text, a number or true/false' })
      .transform((value) => String(value)),
  );

/** Key of a device or runtime, e.g. `cpu`. */
export const identifier = () =>
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, {
    error: 'expected a name of letters, digits, ".", "_" and "-" (at most 100)',
  });

/** Key or alias of a model. `auto` and `auto:CLASS` mean "choose for me" and cannot be a model's name. */
export const modelName = () =>
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,199}$/, {
      error: 'expected a name of letters, digits and . _ : @ / + - (at most 200)',
    })
    .refine((name) => !/^auto(:|$)/i.test(name), { error: 'expected a name other than auto, which means routing' });

function unknownKey(key: string, known: readonly string[]): string {
  const hint = didYouMean(key, known);
  return `unknown key ${JSON.stringify(key)}${hint === '' ? `; known here: ${known.join(', ')}` : hint}`;
}
