import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { ClientPolicy } from '../../src/core/client-policy.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { Authenticate } from '../../src/http/authenticate.ts';
import { checkIn } from '../../src/http/check-in.ts';
import type { HttpParts } from '../../src/http/parts.ts';

function setUp() {
  const asked: string[] = [];
  const check = (policy: string): Authenticate => {
    return (authorization) => {
      asked.push(`${policy} ${authorization}`);
      if (authorization === 'Bearer wrong') throw new GatewayError('unauthorized', 'not known here');
      return authorization === undefined ? undefined : ({ name: authorization } as ClientPolicy);
    };
  };
  let authenticate = check('first');
  let draining = false;
  const parts = {
    isDraining: () => draining,
    drain: { active: false },
    authenticate: () => authenticate,
  } as unknown as HttpParts;
  return {
    asked,
    parts,
    reload: () => {
      authenticate = check('second');
    },
    drain: () => {
      draining = true;
    },
  };
}

const request = (socket: Socket, headers: Record<string, string>) =>
  ({ socket, headers }) as unknown as IncomingMessage;

describe('checkIn', () => {
  it('looks at a key once per connection, and again for another key, connection or policy', () => {
    const { asked, parts, reload } = setUp();
    const [one, other] = [new Socket(), new Socket()];
    const ann = { authorization: 'Bearer ann' };
    expect(checkIn(parts, request(one, ann))?.name).toBe('Bearer ann');
    expect(checkIn(parts, request(one, ann))?.name).toBe('Bearer ann');
    expect(asked).toEqual(['first Bearer ann']);
    expect(checkIn(parts, request(one, { authorization: 'Bearer bob' }))?.name).toBe('Bearer bob');
    expect(checkIn(parts, request(one, { ...ann, 'x-api-key': 'k' }))?.name).toBe('Bearer ann');
    expect(checkIn(parts, request(other, ann))?.name).toBe('Bearer ann');
    expect(asked).toHaveLength(4);
    reload();
    expect(checkIn(parts, request(other, ann))?.name).toBe('Bearer ann');
    expect(asked.at(-1)).toBe('second Bearer ann');
  });

  it('a key that was refused is refused each time, and leaves the one before it in force', () => {
    const { asked, parts } = setUp();
    const socket = new Socket();
    checkIn(parts, request(socket, { authorization: 'Bearer ann' }));
    for (let time = 0; time < 2; time += 1) {
      expect(() => checkIn(parts, request(socket, { authorization: 'Bearer wrong' }))).toThrow('not known here');
    }
    expect(asked).toHaveLength(3);
    expect(checkIn(parts, request(socket, {}))).toBeUndefined();
    expect(asked).toHaveLength(4);
  });

  it('nobody is let in while the gateway ends, known or not', () => {
    const { parts, drain } = setUp();
    const socket = new Socket();
    checkIn(parts, request(socket, { authorization: 'Bearer ann' }));
    drain();
    expect(() => checkIn(parts, request(socket, { authorization: 'Bearer ann' }))).toThrow('shutting down');
  });
});
