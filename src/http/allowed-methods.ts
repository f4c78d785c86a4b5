import type { Hono } from 'hono';
import { GENERATION_CODECS, TEXT_CODECS } from '../dialects/codecs.ts';
import type { Bindings } from './app.ts';

/** Served past the app, so the app does not list them. */
const GENERATIONS = [...GENERATION_CODECS, ...TEXT_CODECS].map(({ path }) => ({ method: 'POST', path }));

/** Methods under which a path is served, for `allow`; empty where there is no such path. */
export function allowedMethods(app: Hono<Bindings>, path: string): readonly string[] {
  const methods = new Set<string>();
  for (const route of [...GENERATIONS, ...app.routes]) {
    if (route.method !== 'ALL' && patternOf(route.path).test(path)) methods.add(route.method);
  }
  return [...methods];
}

// `:id` is one segment, `:id{.+}` whatever follows.
function patternOf(path: string): RegExp {
  const source = path.replace(/:\w+(\{\.\+\})?/g, (_, rest) => (rest === undefined ? '[^/]+' : '.+'));
  return new RegExp(`^${source}$`);
}
