import { GatewayError } from '../core/errors.ts';
import type { HttpParts } from './parts.ts';

/** Throws `shutting_down` once the gateway takes nothing new. */
export function checkOpen({ isDraining }: Pick<HttpParts, 'isDraining'>): void {
  if (isDraining()) throw new GatewayError('shutting_down', 'the gateway is shutting down', { retryAfterMs: 5000 });
}
