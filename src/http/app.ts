import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { GatewayError } from '../core/errors.ts';
import { allowedMethods } from './allowed-methods.ts';
import { addAnthropicRoutes } from './anthropic-routes.ts';
import { addBatchRoutes } from './batches.ts';
import { checkIn } from './check-in.ts';
import { addDashboardRoutes } from './dashboard.ts';
import { errorLanguage } from './error-language.ts';
import { retryHeaders, statusOf } from './error-status.ts';
import { addFileRoutes } from './files.ts';
import { tellRejected, toGatewayError } from './generation.ts';
import { health, readiness } from './health.ts';
import { addManagementRoutes } from './management.ts';
import { addMetricsRoute } from './metrics.ts';
import { addModelRoutes } from './models.ts';
import { addOllamaRoutes } from './ollama-routes.ts';
import { addOpenApiRoutes } from './openapi/routes.ts';
import type { HttpParts } from './parts.ts';
import { addRouterRoutes } from './router-routes.ts';
import { addStoredResponseRoutes } from './stored-responses.ts';
import { addTokenRoutes } from './tokenize.ts';

/** Node's request and response beside Hono's. */
export type Bindings = { Bindings: HttpBindings };

/** All endpoints but the generations, which `server.ts` serves past the app (see `generation.ts`). */
export function createHttpApp(parts: HttpParts): Hono<Bindings> {
  const app = new Hono<Bindings>();
  app.get('/health', (context) => context.json(health()));
  app.get('/ready', (context) => {
    const state = readiness(parts);
    return context.json(state, state.ready ? 200 : 503);
  });
  for (const path of ['/v1/*', '/api/*', '/router/*', '/metrics']) {
    app.use(path, async (context, next) => {
      // Draining refuses new work, not questions about it.
      checkIn({ ...parts, isDraining: () => false }, context.env.incoming);
      await next();
    });
  }
  addManagementRoutes(app, parts);
  addAnthropicRoutes(app, parts);
  addModelRoutes(app, parts);
  addRouterRoutes(app, parts);
  addMetricsRoute(app, parts);
  addOllamaRoutes(app, parts);
  // After Ollama's, which answer at the root whoever is no browser.
  addDashboardRoutes(app);
  addTokenRoutes(app, parts);
  addFileRoutes(app, parts);
  addBatchRoutes(app, parts);
  addOpenApiRoutes(app, parts.version);
  addStoredResponseRoutes(app);
  app.notFound((context) => {
    const { method, path } = context.req;
    // A path whose own method leads here is served to others only: the root, to clients that are no browser.
    const allowed = allowedMethods(app, path).filter((other) => other !== method);
    if (allowed.length > 0) {
      context.header('allow', allowed.join(', '));
      throw new GatewayError('method_not_allowed', `${path} is not for ${method}; use ${allowed.join(' or ')}`);
    }
    const known = path.startsWith('/v1/') ? ' (see docs/api.md for what is served)' : '';
    throw new GatewayError('not_found', `no endpoint ${method} ${path}${known}`);
  });
  app.onError((thrown, context) => {
    const error = toGatewayError(parts, thrown);
    tellRejected(parts, { endpoint: `${context.req.method} ${context.req.path}` }, error);
    for (const [name, value] of Object.entries(retryHeaders(error))) context.header(name, value);
    const { status, body } = errorLanguage(context.req.path, context.req.header())(error);
    return context.body(body, (status ?? statusOf(error)) as 400, {
      'content-type': 'application/json; charset=utf-8',
    });
  });
  return app;
}
