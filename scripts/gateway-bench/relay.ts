/**
 * The bare Node relay: the limit of the platform that the gateway is measured against. `node:http` and an undici pool;
 * it parses the request's body as JSON and does nothing else.
 *
 * Run as `tsx relay.ts UPSTREAM_PORT`; prints `listening PORT`.
 */
import { createServer } from 'node:http';
import { Pool } from 'undici';

const pool = new Pool(`http://127.0.0.1:${process.argv[2]}`, { connections: 64 });

const server = createServer(async (incoming, outgoing) => {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part);
  const body = Buffer.concat(parts);
  JSON.parse(body.toString());
  const headers = { 'content-type': 'application/json' };
  const reply = await pool.request({ path: incoming.url ?? '/', method: 'POST', headers, body });
  const type = String(reply.headers['content-type']);
  const length = reply.headers['content-length'];
  outgoing.writeHead(reply.statusCode, { 'content-type': type, ...(length && { 'content-length': length }) });
  reply.body.pipe(outgoing);
});

server.listen(0, '127.0.0.1', () => console.log(`listening ${Object(server.address()).port}`));
