/**
 * The bare Node relay: the limit of the platform that the gateway is measured against. `node:http` and an undici pool;
 * it parses the request's body as JSON and does nothing else. Run as `relay.ts PORT UPSTREAM_PORT`.
 */
import { createServer } from 'node:http';
import { Pool } from 'undici';

const [port, upstreamPort] = process.argv.slice(2);
const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, { connections: 64 });

const server = createServer(async (incoming, outgoing) => {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part);
  const body = Buffer.concat(parts);
  if (body.length > 0) JSON.parse(body.toString());
  const method = incoming.method === 'GET' ? 'GET' : 'POST';
  const headers = { 'content-type': 'application/json' };
  const reply = await pool.request({ path: incoming.url ?? '/', method, headers, body });
  const { 'content-type': type = '', 'content-length': length } = reply.headers as Record<string, string | undefined>;
  outgoing.writeHead(reply.statusCode, { 'content-type': type, ...(length && { 'content-length': length }) });
  reply.body.pipe(outgoing);
});

server.listen(Number(port), '127.0.0.1');
