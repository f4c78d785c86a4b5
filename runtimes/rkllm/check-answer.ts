import { runInNewContext } from 'node:vm';
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { GatewayError, messageOf } from '../../src/core/errors.ts';

/** Says what is wrong with a whole answer; undefined where it fits. */
export type AnswerCheck = (answer: string | null) => string | undefined;

/** How long one expression of a client's schema may look at one text, ms. */
const PATTERN_LIMIT_MS = 100;

// An expression with exponential backtracking would stop the gateway for everybody. Only the virtual machine's own
// timer can end one, so it runs there; that costs a millisecond, and only where a schema has a `pattern`.
const boundedPattern = Object.assign(
  (source: string, flags: string) => {
    // Here and not at the first text, so that one that cannot be read is the schema's fault.
    new RegExp(source, flags);
    return {
      // By this the compiler tells one expression from another.
      toString: () => `/${source}/${flags}`,
      test: (text: string): boolean =>
        runInNewContext('new RegExp(source, flags).test(text)', { source, flags, text }, { timeout: PATTERN_LIMIT_MS }),
    };
  },
  // What the library would write into code kept in a file, which we do not do.
  { code: 'boundedPattern' },
);

// Clients write schemas for other servers: a keyword or format nobody knows is no fault here, as it is none there.
const OPTIONS: Options = { strict: false, logger: false, code: { regExp: boundedPattern } };

/**
 * A check that an answer is a JSON object, and that it fits the schema where there is one: draft 2020-12, or draft 7
 * where the schema says so. The check throws `invalid_request` where an expression of the schema takes longer than
 * 100 ms. Throws `invalid_request` for a schema that cannot be read.
 */
export function createAnswerCheck(schema: unknown): AnswerCheck {
  const validate = schema === undefined ? undefined : compile(schema);
  return (answer) => {
    let value: unknown;
    try {
      value = JSON.parse(answer ?? '');
    } catch (error) {
      return messageOf(error);
    }
    if (validate === undefined) return isObject(value) ? undefined : 'it is no JSON object';
    return judge(validate, value);
  };
}

function judge(validate: ValidateFunction, value: unknown): string | undefined {
  try {
    if (validate(value)) return undefined;
  } catch (cause) {
    // Nothing else throws in a compiled schema.
    throw unreadable(`a pattern of it took longer than ${PATTERN_LIMIT_MS} ms; make it simpler`, cause);
  }
  return (validate.errors ?? []).map(describe).join('; ');
}

const describe = ({ instancePath, message }: ErrorObject): string => `${instancePath || 'it'} ${message ?? 'is wrong'}`;

/** A compiler of its own for every schema: a shared one would keep each client's forever and refuse two of one `$id`. */
function compile(schema: unknown): ValidateFunction {
  if (!isObject(schema) && typeof schema !== 'boolean') throw unreadable('it is neither an object nor a boolean');
  const draft = isObject(schema) ? String(schema['$schema'] ?? '') : '';
  const compiler = /draft-0[67]/.test(draft) ? new Ajv(OPTIONS) : new Ajv2020(OPTIONS);
  formats.default(compiler);
  try {
    return compiler.compile(schema);
  } catch (cause) {
    throw unreadable(messageOf(cause), cause);
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const unreadable = (why: string, cause?: unknown): GatewayError =>
  new GatewayError('invalid_request', `the JSON schema cannot be used: ${why}`, {
    cause,
    param: 'response_format',
    shouldRetry: false,
  });
