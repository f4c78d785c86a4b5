import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { allowedMethods } from '../../src/http/allowed-methods.ts';
import type { Bindings } from '../../src/http/app.ts';

const app = new Hono<Bindings>();
app.use('/v1/*', (_, next) => next());
app.get('/v1/models', (context) => context.text(''));
app.get('/v1/models/:id{.+}', (context) => context.text(''));
app.post('/router/models/:id/load', (context) => context.text(''));
app.delete('/router/requests/:id', (context) => context.text(''));
app.get('/router/requests/:id', (context) => context.text(''));

describe('allowedMethods', () => {
  it.each([
    ['/v1/models', ['GET']],
    ['/v1/models/vendor/name', ['GET']],
    ['/v1/chat/completions', ['POST']],
    ['/router/models/a/load', ['POST']],
    ['/router/requests/7', ['DELETE', 'GET']],
    ['/router/models/a/b/load', []],
    ['/v1/nothing', []],
    ['/v1/models/', []],
  ])('knows the methods of %s', (path, methods) => {
    expect(allowedMethods(app, path)).toEqual(methods);
  });
});
