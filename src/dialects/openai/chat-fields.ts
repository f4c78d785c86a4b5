import { GatewayError } from '../../core/errors.ts';

type Check = { readonly test: (value: unknown) => boolean; readonly expected: string };

const finite = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const between = (low: number, high: number): Check => ({
  test: (value) => finite(value) && value >= low && value <= high,
  expected: `a number from ${low} to ${high}`,
});
const integer: Check = { test: (value) => Number.isInteger(value), expected: 'an integer' };
const positive: Check = {
  test: (value) => Number.isInteger(value) && (value as number) > 0,
  expected: 'a positive integer',
};
// llama-server reads -1 as "until the end of the context", and clients written for it send that.
const bound: Check = {
  test: (value) => Number.isInteger(value) && ((value as number) > 0 || value === -1),
  expected: 'a positive integer',
};
const boolean: Check = { test: (value) => typeof value === 'boolean', expected: 'true or false' };
const text: Check = { test: (value) => typeof value === 'string', expected: 'a string' };
const object: Check = {
  test: (value) => typeof value === 'object' && !Array.isArray(value),
  expected: 'an object',
};
const stops: Check = {
  test: (value) =>
    typeof value === 'string' || (Array.isArray(value) && value.every((item) => typeof item === 'string')),
  expected: 'a string or an array of strings',
};
const tools: Check = {
  test: (value) =>
    Array.isArray(value) &&
    value.every((tool) => tool?.type !== 'function' || typeof tool?.function?.name === 'string') &&
    value.every((tool) => typeof tool?.type === 'string'),
  expected: 'an array of {"type":"function","function":{"name":...}}',
};

/** Fields of the OpenAI dialect whose type we hold, as the public API description gives them. */
const CHECKS: Readonly<Record<string, Check>> = {
  model: text,
  stream: boolean,
  temperature: between(0, 2),
  top_p: between(0, 1),
  frequency_penalty: between(-2, 2),
  presence_penalty: between(-2, 2),
  max_tokens: bound,
  max_completion_tokens: bound,
  n: positive,
  seed: integer,
  stop: stops,
  logprobs: boolean,
  top_logprobs: between(0, 20),
  tools,
  tool_choice: {
    test: (value) => typeof value === 'string' || object.test(value),
    expected: '"none", "auto", "required" or an object',
  },
  parallel_tool_calls: boolean,
  response_format: object,
  stream_options: object,
  metadata: object,
  user: text,
  reasoning_effort: text,
  service_tier: text,
  logit_bias: { test: (value) => typeof value === 'object', expected: 'an object' },
};

/**
 * Checks the types of the fields we know; null counts as absent, as in OpenAI's own API.
 * Throws `invalid_request` naming the field, what it holds and what was expected.
 */
export function checkChatFields(body: Readonly<Record<string, unknown>>): void {
  for (const name in body) {
    // A body may hold any name, `constructor` too.
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name] : undefined;
    const value = body[name];
    if (check === undefined || value === null || check.test(value)) continue;
    const shown = typeof value === 'object' ? (Array.isArray(value) ? 'an array' : 'an object') : JSON.stringify(value);
    throw new GatewayError('invalid_request', `${name} must be ${check.expected}, not ${shown?.slice(0, 80)}`, {
      param: name,
    });
  }
}
