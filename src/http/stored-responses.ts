import type { Hono } from 'hono';
import { GatewayError } from '../core/errors.ts';
import type { Bindings } from './app.ts';

/**
 * Whatever asks for a response that has been given before (`GET`, `DELETE /v1/responses/{id}`, its `input_items`,
 * `cancel`, …): nothing is stored, and a client is told that in place of "no endpoint". Added last, so that any other
 * endpoint below `/v1/responses/` comes first.
 */
export function addStoredResponseRoutes(app: Hono<Bindings>): void {
  for (const path of ['/v1/responses/:id', '/v1/responses/:id/:part']) {
    app.all(path, (context) => {
      const id = (context.req.param('id') ?? '').slice(0, 80);
      throw new GatewayError(
        'not_found',
        `no response "${id}": responses are not stored here; send the whole conversation to POST /v1/responses`,
      );
    });
  }
}
