import { expect } from 'vitest';
import type { Failure } from './client.ts';
import type { ClientName, Feature } from './grid.ts';

type Words = {
  /** As OpenAI's languages and Ollama have it; undefined where it comes in the middle of an answer, without a status. */
  readonly status: number | undefined;
  readonly code: string;
  /** What Anthropic's has in place of both. */
  readonly anthropic: readonly [status: number | undefined, type: string];
  /** What people read of the Discord bot. */
  readonly said?: RegExp;
};

const INVALID = [400, 'invalid_request_error'] as const;

/** What each refusal is in each language. */
const REFUSALS: Readonly<Partial<Record<Feature, Words>>> = {
  'asks for JSON by a schema': { status: 400, code: 'unsupported_feature', anthropic: INVALID },
  'sends an image to a model without eyes': { status: 400, code: 'unsupported_feature', anthropic: INVALID },
  'finds the queue full': {
    status: 429,
    code: 'queue_full',
    anthropic: [429, 'rate_limit_error'],
    said: /^Too many are waiting already\. Try again/,
  },
  'names a model that cannot run': {
    status: 503,
    code: 'model_unavailable',
    anthropic: [529, 'overloaded_error'],
    said: /^No model can answer now: .*missing/,
  },
  'comes while the gateway drains': {
    status: 503,
    code: 'shutting_down',
    anthropic: [529, 'overloaded_error'],
    said: /^No model can answer now: .*drained/,
  },
  'sends a prompt beyond the context': {
    status: 400,
    code: 'context_length_exceeded',
    anthropic: INVALID,
    said: /too long for every model/,
  },
  'has a wrong key': {
    status: 401,
    code: 'invalid_api_key',
    anthropic: [401, 'authentication_error'],
    said: /does not accept my key/,
  },
  'sends what is no JSON': { status: 400, code: 'invalid_request_error', anthropic: INVALID },
  'names an unknown model': {
    status: 404,
    code: 'model_not_found',
    anthropic: [404, 'not_found_error'],
    said: /^There is no model/,
  },
  'loses the engine before the first byte': {
    status: 502,
    code: 'runtime_failed',
    anthropic: [500, 'api_error'],
    // The bot streams, and a stream's headers go out early: whether they did before the death is a matter of milliseconds.
    said: /^The (model failed|answer broke off): /,
  },
  'loses the engine in the middle of the answer': {
    status: undefined,
    code: 'runtime_failed',
    anthropic: [undefined, 'api_error'],
    said: /^The answer broke off: /,
  },
};

/** Fails unless a client's failure is the one that belongs to the feature, in the client's own words. */
export function expectRefusal(feature: Feature, client: ClientName, failure: Failure): void {
  const words = REFUSALS[feature];
  if (words === undefined) throw new Error(`nothing is refused in "${feature}"`);
  const [status, type] = words.anthropic;
  switch (client) {
    case 'OpenAI chat':
    case 'OpenAI responses':
    case 'AI SDK':
      expect(failure).toMatchObject({ status: words.status, code: words.code });
      return;
    case 'Anthropic':
      expect(failure).toMatchObject({ status, code: type });
      return;
    case 'Ollama':
      // The language has a status and a text.
      expect(failure).toMatchObject({ status: words.status, message: expect.stringMatching(/\w+ \w+/) });
      return;
    case 'Discord bot':
      expect(failure.message).toMatch(words.said ?? /./);
      return;
  }
}
