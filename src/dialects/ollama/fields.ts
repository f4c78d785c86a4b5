import { GatewayError } from '../../core/errors.ts';

/** A parsed JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

/** A rule for one value, with what it asks for in words. */
export type Check = { readonly test: (value: unknown) => boolean; readonly expected: string };

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** A number in a range, ends included. */
export const between = (low: number, high: number): Check => ({
  test: (value) => isNumber(value) && value >= low && value <= high,
  expected: `a number from ${low} to ${high}`,
});
export const INTEGER: Check = { test: Number.isSafeInteger, expected: 'an integer' };
export const BOOLEAN: Check = { test: (value) => typeof value === 'boolean', expected: 'true or false' };
export const TEXT: Check = { test: (value) => typeof value === 'string', expected: 'a string' };
export const LIST: Check = { test: Array.isArray, expected: 'an array' };
export const OBJECT: Check = {
  test: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  expected: 'an object',
};

/** The value of a field that may be absent, which null is too. Throws `invalid_request` naming the field. */
export function optional<Value>(fields: Fields, name: string, check: Check, at = name): Value | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (check.test(value)) return value as Value;
  throw invalid(at, check.expected, value);
}

/** The error of a field that holds something else than it should. */
export function invalid(at: string, expected: string, value: unknown): GatewayError {
  return new GatewayError('invalid_request', `${at} must be ${expected}, not ${show(value)}`, { param: at });
}

const SHOWN_MAX = 80;

function show(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(JSON.stringify(value)).slice(0, SHOWN_MAX);
}
