import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ClientPolicy } from '../core/client-policy.ts';
import { GatewayError } from '../core/errors.ts';
import type { Authenticate } from './authenticate.ts';
import type { HttpParts } from './parts.ts';

/** Refuses work while shutting down, else finds out who asks. Throws `shutting_down` or `unauthorized`. */
export function checkIn(parts: HttpParts, incoming: IncomingMessage): ClientPolicy | undefined {
  if (parts.isDraining()) {
    const why = parts.drain.active ? 'drained by its operator and takes no new work' : 'shutting down';
    throw new GatewayError('shutting_down', `the gateway is ${why}`, { retryAfterMs: 5000 });
  }
  const { authorization } = incoming.headers;
  const apiKey = headerOf(incoming, 'x-api-key');
  const authenticate = parts.authenticate();
  const last = lastSeen.get(incoming.socket);
  if (last?.authenticate === authenticate && last.authorization === authorization && last.apiKey === apiKey) {
    return last.client;
  }
  const client = authenticate(authorization, apiKey);
  lastSeen.set(incoming.socket, { authenticate, authorization, apiKey, client });
  return client;
}

// Who was let in on a connection, and with what: the next request on it mostly carries the same key, whose digest need not
// be made again. Another policy is another check. It tells nobody anything: what is compared with is the sender's own.
const lastSeen = new WeakMap<Socket, Seen>();

type Seen = {
  readonly authenticate: Authenticate;
  readonly authorization: string | undefined;
  readonly apiKey: string | undefined;
  readonly client: ClientPolicy | undefined;
};

/** One header by lower-case name; the first where it came twice. */
export function headerOf(incoming: IncomingMessage, name: string): string | undefined {
  const value = incoming.headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

/**
 * Throws `forbidden` for a client with a limit of any kind: who may use only so much must not decide what others can use.
 * Everybody else may, as may whoever asks without a key where none are configured.
 */
export function checkOperator(client: ClientPolicy | undefined): void {
  if (client === undefined) return;
  const { name, classes, models, requestsPerMinute, tokensPerMinute, concurrent, daily, maxTokens } = client;
  const limits = [classes, models, requestsPerMinute, tokensPerMinute, concurrent, daily, maxTokens];
  if (limits.every((limit) => limit === undefined)) return;
  const message = `client ${name} has limits of its own and may not change what others can use; ask with another key`;
  throw new GatewayError('forbidden', message);
}
