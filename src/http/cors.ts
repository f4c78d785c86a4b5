import type { IncomingMessage, ServerResponse } from 'node:http';
import cors from 'cors';
import type { Policy } from '../core/policy.ts';

/** Looks at a request before anybody answers it; calls `next` unless it has been answered. */
export type CrossOrigin = (incoming: IncomingMessage, outgoing: ServerResponse, next: () => void) => void;

/** What a page of another origin may read of an answer, beside its body. */
const EXPOSED = [
  'x-request-id',
  'x-router-model',
  'x-router-class',
  'x-router-reason',
  'x-should-retry',
  'retry-after',
  'retry-after-ms',
];
/** A browser asks again whether it may after so long, s. */
const PREFLIGHT_AGE_S = 600;

/**
 * Lets pages of the origins in `gateway.cors` use the API from a browser. Without any, nothing is added and a preflight
 * is answered as any other request. Keys travel in headers and never in cookies, so credentials are not allowed.
 */
export function crossOrigin(policy: () => Policy): CrossOrigin {
  const allow = cors((_, decide) => {
    const { corsOrigins } = policy().gateway;
    const origin = corsOrigins.includes('*') ? '*' : [...corsOrigins];
    decide(null, { origin, exposedHeaders: EXPOSED, maxAge: PREFLIGHT_AGE_S });
  });
  return (incoming, outgoing, next) => {
    if (incoming.headers.origin === undefined || policy().gateway.corsOrigins.length === 0) next();
    else allow(incoming, outgoing, next);
  };
}
