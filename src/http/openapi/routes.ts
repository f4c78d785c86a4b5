import type { Hono } from 'hono';
import type { Bindings } from '../app.ts';

/**
 * `GET /openapi.json` and the same as a page, `GET /docs`. Neither needs a key: they say what is served, not what runs.
 * Loaded when first asked for, so that the gateway does not start slower for it.
 */
export function addOpenApiRoutes(app: Hono<Bindings>, version: string): void {
  app.get('/openapi.json', async (context) => {
    const { createDocument } = await import('./document.ts');
    return context.json(createDocument(version));
  });
  app.get('/docs', async (context) => {
    const [{ createDocument }, { createPage, PAGE_POLICY }] = await Promise.all([
      import('./document.ts'),
      import('./page.ts'),
    ]);
    context.header('content-security-policy', PAGE_POLICY);
    return context.html(createPage(createDocument(version)));
  });
}
