import { Readable } from 'node:stream';
import type { Hono } from 'hono';
import type { StoredFile } from '../store/batch-table.ts';
import type { Bindings } from './app.ts';
import { checkOpen } from './check-open.ts';
import { clientNameOf } from './client-name.ts';
import { encodePage, readPage } from './page.ts';
import type { HttpParts } from './parts.ts';

const LIMIT_DEFAULT = 10_000;

/** OpenAI's Files: `POST /v1/files`, the list, one, its content, and its end. */
export function addFileRoutes(app: Hono<Bindings>, parts: HttpParts): void {
  app.post('/v1/files', async (context) => {
    const { incoming } = context.env;
    const client = clientNameOf(parts, incoming);
    checkOpen(parts);
    const { files } = parts;
    // The reader of forms is loaded with the first upload.
    const { receiveUpload } = await import('./receive-upload.ts');
    const { fields, written } = await receiveUpload(incoming, files);
    try {
      return context.json(encodeFile(files.add({ client, ...fields }, written)));
    } catch (error) {
      await files.discard(written);
      throw error;
    }
  });
  app.get('/v1/files', (context) => {
    const client = clientNameOf(parts, context.env.incoming);
    const page = readPage(context.req.query(), { limitDefault: LIMIT_DEFAULT, limitMax: LIMIT_DEFAULT });
    const purpose = context.req.query('purpose');
    // One more than asked for tells whether there are more.
    const found = parts.files.list(client, {
      ...page,
      limit: page.limit + 1,
      ...(purpose !== undefined && { purpose }),
    });
    return context.json(encodePage(found.map(encodeFile), page.limit));
  });
  app.get('/v1/files/:id', (context) => {
    const client = clientNameOf(parts, context.env.incoming);
    return context.json(encodeFile(parts.files.find(client, context.req.param('id'))));
  });
  app.get('/v1/files/:id/content', (context) => {
    const client = clientNameOf(parts, context.env.incoming);
    const { id, bytes } = parts.files.find(client, context.req.param('id'));
    const content = Readable.toWeb(parts.files.read(client, id) as Readable) as ReadableStream;
    context.header('content-length', String(bytes));
    return context.body(content, 200, { 'content-type': 'application/octet-stream' });
  });
  app.delete('/v1/files/:id', async (context) => {
    const client = clientNameOf(parts, context.env.incoming);
    const id = context.req.param('id');
    await parts.files.remove(client, id);
    return context.json({ id, object: 'file', deleted: true });
  });
}

function encodeFile({ id, filename, purpose, bytes, createdMs, expiresMs }: StoredFile) {
  return {
    id,
    object: 'file',
    bytes,
    created_at: Math.floor(createdMs / 1000),
    expires_at: expiresMs === undefined ? undefined : Math.floor(expiresMs / 1000),
    filename,
    purpose,
    status: 'processed',
  };
}
