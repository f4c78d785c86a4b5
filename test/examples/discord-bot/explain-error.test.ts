import { APIConnectionError, APIError } from 'openai';
import { describe, expect, it } from 'vitest';
import { explainError } from '../../../examples/discord-bot/explain-error.ts';

const nowMs = Date.UTC(2026, 10, 20, 12);
const nowSeconds = nowMs / 1000;

const refusal = (status: number, error: object, headers: Record<string, string> = {}) =>
  APIError.generate(status, { error }, undefined, new Headers(headers));

describe('explainError', () => {
  it.each([
    [
      'a full queue',
      refusal(429, { code: 'queue_full', message: '64 wait' }, { 'retry-after': '12' }),
      `Too many are waiting already. Try again <t:${nowSeconds + 12}:R>.`,
    ],
    [
      'a limit',
      refusal(429, { code: 'rate_limited', message: 'the client asks too often; try again in 3 s' }),
      'I may not ask more now: the client asks too often.',
    ],
    [
      'a bad key',
      refusal(401, { code: 'invalid_api_key', message: 'no such key' }),
      'The model server does not accept my key. Please tell whoever runs me.',
    ],
    [
      'a long conversation',
      refusal(400, { code: 'context_length_exceeded', message: '9 > 8' }),
      'This conversation is too long for every model. `/forget` starts a new one.',
    ],
    [
      'a model that is gone',
      refusal(404, { code: 'model_not_found', message: 'no model x' }),
      'no model x. Choose another one with `/model`.',
    ],
    [
      'no model at all',
      refusal(503, { code: 'no_usable_model', message: 'none fits' }, { 'retry-after': '5' }),
      `No model can answer now: none fits. Try again <t:${nowSeconds + 5}:R>.`,
    ],
    [
      'a broken stream',
      new APIError(undefined, { message: 'demo-4b died' }, undefined, undefined),
      'The answer broke off: demo-4b died.',
    ],
    [
      'a model that died before it answered',
      refusal(502, { code: 'runtime_failed', message: 'demo-4b died' }),
      'The model failed: demo-4b died.',
    ],
    [
      'another refusal',
      refusal(400, { code: null, message: 'bad  field\nhere' }),
      'The model server refuses this: bad field here.',
    ],
    [
      'a server that is not there',
      new APIConnectionError({ message: 'refused' }),
      'I cannot reach the model server. Is it running?',
    ],
    ['a mistake of the bot', new TypeError('x is undefined'), 'Something went wrong on my side; my log says what.'],
  ])('says %s in plain words', (_, failure, said) => {
    expect(explainError(failure, nowMs)).toBe(said);
  });
});
