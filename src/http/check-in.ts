import type { IncomingMessage } from 'node:http';
import type { ClientPolicy } from '../core/client-policy.ts';
import { GatewayError } from '../core/errors.ts';
import type { HttpParts } from './parts.ts';

/** Refuses work while shutting down, else finds out who asks. Throws `shutting_down` or `unauthorized`. */
export function checkIn(parts: HttpParts, incoming: IncomingMessage): ClientPolicy | undefined {
  if (parts.isDraining()) {
    const why = parts.drain.active ? 'drained by its operator and takes no new work' : 'shutting down';
    throw new GatewayError('shutting_down', `the gateway is ${why}`, { retryAfterMs: 5000 });
  }
  return parts.authenticate()(incoming.headers.authorization, headerOf(incoming, 'x-api-key'));
}

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
