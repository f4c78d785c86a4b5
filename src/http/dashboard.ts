import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Hono } from 'hono';
import { GatewayError } from '../core/errors.ts';
import { packageRoot } from '../core/package-root.ts';
import type { Bindings } from './app.ts';

/** What the page may do: run its own script, wear its own style, ask the gateway it came from. Nothing else, from nowhere else. */
const CONTENT_POLICY = [
  ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"],
].join('; ');

const HEADERS = {
  'content-security-policy': CONTENT_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
} as const;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

const PAGE = 'index.html';
/** `main-4F2KQX7A.js`: another content has another name. */
const NAMED_BY_CONTENT = /-[A-Z0-9]{8}\.(js|css)$/;

/**
 * The dashboard: `GET /` for browsers (anybody else has been answered by then) and the files it is made of, open to all;
 * what it shows comes from the API, with a key where keys are asked for. `folder` is what `npm run build` writes; it is
 * read once, when somebody first asks. Throws `not_found` with the remedy where it has not been built.
 */
export function addDashboardRoutes(app: Hono<Bindings>, folder = join(packageRoot(), 'dist', 'dashboard')): void {
  let built: ReadonlyMap<string, Buffer<ArrayBuffer>> | undefined;
  const fileNamed = (name: string): Response => {
    built ??= readFiles(folder);
    const content = built.get(name);
    if (content === undefined) throw new GatewayError('not_found', `the dashboard has no file ${name.slice(0, 80)}`);
    const caching = NAMED_BY_CONTENT.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache';
    const type = TYPES[extname(name)] ?? 'application/octet-stream';
    const shared = { ...HEADERS, 'content-type': type, 'cache-control': caching };
    return new Response(content, { headers: name === PAGE ? { ...shared, vary: 'accept' } : shared });
  };
  app.get('/', () => fileNamed(PAGE));
  app.get('/dashboard/:file', (context) => fileNamed(context.req.param('file')));
}

function readFiles(folder: string): ReadonlyMap<string, Buffer<ArrayBuffer>> {
  try {
    return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
  } catch (cause) {
    throw new GatewayError('not_found', 'the dashboard has not been built; run "npm run build" in the package', {
      cause,
    });
  }
}
