import { describe, expect, it } from 'vitest';
import type { ClientPolicy } from '../../src/core/client-policy.ts';
import type { Policy } from '../../src/core/policy.ts';
import { clientsWithoutKey, createAuthenticate, hasKeys } from '../../src/http/authenticate.ts';
import { smallPolicy } from '../route/small-policy.ts';

const client = (name: string): ClientPolicy => ({
  name,
  keyEnv: `KEY_${name.toUpperCase()}`,
  class: undefined,
  requestsPerMinute: undefined,
  maxTokens: undefined,
  concurrent: undefined,
});
const policy: Policy = { ...smallPolicy({ models: [] }), clients: [client('editor'), client('bot'), client('unset')] };
const environment = { KEY_EDITOR: 'secret-e', KEY_BOT: 'secret-b', KEY_UNSET: '' };
const authenticate = createAuthenticate(policy, environment, { allowAnonymous: true });
const refusal = expect.objectContaining({ code: 'unauthorized' });

describe('createAuthenticate', () => {
  it.each([
    ['Bearer secret-b', undefined, 'bot'],
    ['bearer   secret-e', undefined, 'editor'],
    [undefined, 'secret-e', 'editor'],
    ['Bearer secret-b', 'secret-e', 'editor'],
  ])('knows the client of %j and %j', (authorization, apiKey, name) => {
    expect(authenticate(authorization, apiKey)?.name).toBe(name);
  });

  it.each([
    [undefined, undefined],
    ['Bearer ', undefined],
    ['Bearer wrong', undefined],
    ['Basic secret-e', undefined],
    ['secret-e', undefined],
    ['Bearer secret-e secret-b', undefined],
    [undefined, ''],
    ['Bearer secret-e', 'wrong'],
  ])('refuses %j and %j', (authorization, apiKey) => {
    expect(() => authenticate(authorization, apiKey)).toThrow(refusal);
  });

  it('names no key in its refusal', () => {
    expect(() => authenticate('Bearer sneaky-guess', undefined)).toThrow(/^(?!.*(sneaky|secret)).*$/);
  });

  it('lets everybody in where no key is set and that is allowed, and nobody where it is not', () => {
    expect(createAuthenticate(policy, {}, { allowAnonymous: true })(undefined, undefined)).toBeUndefined();
    const closed = createAuthenticate(policy, {}, { allowAnonymous: false });
    expect(() => closed(undefined, undefined)).toThrow(refusal);
    expect(() => closed('Bearer ', undefined)).toThrow(refusal);
  });
});

describe('hasKeys', () => {
  it('is true as soon as one client can log in', () => {
    expect(hasKeys(policy, {})).toBe(false);
    expect(hasKeys(policy, { KEY_BOT: 'x' })).toBe(true);
    expect(hasKeys({ ...policy, clients: [] }, { KEY_BOT: 'x' })).toBe(false);
  });
});

describe('clientsWithoutKey', () => {
  it('lists those whose variable is empty or not set', () => {
    expect(clientsWithoutKey(policy, environment).map(({ name }) => name)).toEqual(['unset']);
  });
});
