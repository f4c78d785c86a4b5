import { GatewayError } from '../../core/errors.ts';

/** A JSON object whose fields have not been looked at. */
export type Fields = Readonly<Record<string, unknown>>;

/** True for a JSON object: neither null nor an array. */
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The error for a field that is not what it must be; `expected` in words, such as `a string`. */
export const wrongType = (at: string, expected: string, value: unknown): GatewayError =>
  refusal(
    at,
    value === undefined ? `${at} is missing; it must be ${expected}` : `${at} must be ${expected}, not ${shown(value)}`,
  );

/** The error for a field that is understood and cannot be served. */
export const refusal = (param: string, message: string): GatewayError =>
  new GatewayError('invalid_request', message, { param });

/** The error for something of OpenAI's own service that no local model has. */
export const unsupported = (param: string, message: string): GatewayError =>
  new GatewayError('unsupported_feature', message, { param });

/** An object that must be there. Throws `invalid_request` naming the field. */
export function fieldsAt(value: unknown, at: string): Fields {
  if (isFields(value)) return value;
  throw wrongType(at, 'an object', value);
}

/** A string that must be there. Throws `invalid_request` naming the field. */
export function textAt(value: unknown, at: string): string {
  if (typeof value === 'string') return value;
  throw wrongType(at, 'a string', value);
}

/** A list that must be there. Throws `invalid_request` naming the field. */
export function listAt(value: unknown, at: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw wrongType(at, 'an array', value);
}

/** A value where there is one; null counts as absent, as in OpenAI's own API. */
export function given<Value>(value: unknown, at: string, read: (value: unknown, at: string) => Value) {
  return value === undefined || value === null ? undefined : read(value, at);
}

/** A value in a message: a string's beginning, a number, or what kind of thing it is. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80));
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
