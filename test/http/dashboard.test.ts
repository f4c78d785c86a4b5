import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import type { Bindings } from '../../src/http/app.ts';
import { addDashboardRoutes } from '../../src/http/dashboard.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

/** An app on a folder with these files; without any, the folder is not there. */
function appWith(files: Readonly<Record<string, string>>): Hono<Bindings> {
  const folder = join(temporaryFolder(), 'dashboard');
  if (Object.keys(files).length > 0) mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const app = new Hono<Bindings>();
  addDashboardRoutes(app, folder);
  app.onError((error, context) => context.text(error.message, 404));
  return app;
}

const BUILT = { 'index.html': '<p>page</p>', 'main-ABCD1234.js': 'run()', 'icon.svg': '<svg/>' };

describe('the dashboard', () => {
  it('is a page that may load nothing but its own files, and is asked for anew each time', async () => {
    const reply = await appWith(BUILT).request('/');
    expect(await reply.text()).toBe('<p>page</p>');
    const policy = reply.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(Object.fromEntries(reply.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      vary: 'accept',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
  });

  it.each([
    ['main-ABCD1234.js', 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
    ['icon.svg', 'image/svg+xml', 'no-cache'],
  ])('serves %s, kept by browsers where its name changes with it', async (name, type, caching) => {
    const reply = await appWith(BUILT).request(`/dashboard/${name}`);
    expect([reply.status, reply.headers.get('content-type'), reply.headers.get('cache-control')]).toEqual([
      ...[200, type, caching],
    ]);
  });

  it.each(['nothing.js', '..%2f..%2fpackage.json', '%2e%2e%2findex.html', ''])('has no file %j', async (name) => {
    expect((await appWith(BUILT).request(`/dashboard/${name}`)).status).toBe(404);
  });

  it('says what builds it where it has not been built', async () => {
    const reply = await appWith({}).request('/');
    expect(reply.status).toBe(404);
    expect(await reply.text()).toContain('npm run build');
  });
});
