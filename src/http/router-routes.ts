import type { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { GatewayError } from '../core/errors.ts';
import { modelId, requestId } from '../core/ids.ts';
import { decodeChat } from '../dialects/openai/decode.ts';
import type { Bindings } from './app.ts';
import { checkIn, checkOperator } from './check-in.ts';
import { encodeExplanation, encodeRecord } from './explanation.ts';
import { toWorkload } from './generation.ts';
import { findModel } from './models.ts';
import type { HttpParts } from './parts.ts';
import { encodePolicy } from './policy-view.ts';
import { readBody } from './read-body.ts';
import { modelToHold } from './residency.ts';
import { routeDryRun } from './route-request.ts';
import { encodeModels, encodeProfiles, encodeStale, encodeStatus, encodeUsage } from './status.ts';

const DECISIONS_DEFAULT = 50;
const USAGE_DAYS_DEFAULT = 7;
/** Most rows or lines in one answer. */
const COUNT_MAX = 1000;

/** Our own endpoints under `/router`. */
export function addRouterRoutes(app: Hono<Bindings>, parts: HttpParts): void {
  app.get('/router/status', (context) => context.json(encodeStatus(parts)));
  app.get('/router/models', (context) => context.json({ models: encodeModels(parts) }));
  app.get('/router/profiles', (context) =>
    context.json({ profiles: encodeProfiles(parts), stale: encodeStale(parts) }),
  );
  app.get('/router/policy', (context) => context.json(encodePolicy(parts)));
  app.get('/router/doctor', async (context) => context.json({ findings: await parts.examine() }));
  app.get('/router/usage', (context) => {
    const days = readCount(context.req.query('days'), { name: 'days', otherwise: USAGE_DAYS_DEFAULT });
    return context.json({ usage: encodeUsage(parts, days) });
  });
  app.get('/router/decisions', (context) => {
    const limit = readCount(context.req.query('limit'), { name: 'limit', otherwise: DECISIONS_DEFAULT });
    return context.json({ decisions: parts.recentRequests(limit).map(encodeRecord) });
  });
  app.get('/router/decisions/:id', (context) => {
    const id = requestId(context.req.param('id'));
    const [record] = parts.recentRequests(1, id);
    if (record === undefined) throw new GatewayError('not_found', `no request ${id} is remembered`);
    return context.json(encodeRecord(record));
  });
  app.post('/router/explain', async (context) => {
    await parts.started();
    const { incoming } = context.env;
    const client = checkIn({ ...parts, isDraining: () => false }, incoming);
    const bytes = await readBody(incoming, parts.policy().gateway.bodyBytesMax);
    const decoded = decodeChat(bytes, (name) => context.req.header(name));
    const facts = { ...decoded.facts, guess: await parts.classifier.guess(decoded.facts) };
    const { workload, decision } = await routeDryRun(parts, toWorkload(parts, facts, client), () => bytes);
    return context.json(encodeExplanation(workload, decision, parts.snapshot()));
  });
  app.delete('/router/requests/:id', (context) => {
    const id = requestId(context.req.param('id'));
    const answer = parts.answers.find(id);
    if (answer === undefined) throw new GatewayError('not_found', `no request ${id} is running`);
    const asker = checkIn({ ...parts, isDraining: () => false }, context.env.incoming);
    if (answer.client !== asker?.name) checkOperator(asker);
    answer.cancel();
    return context.json({ id, cancelled: true });
  });
  addControlRoutes(app, parts);
  addStreamRoutes(app, parts);
}

function addControlRoutes(app: Hono<Bindings>, parts: HttpParts): void {
  app.post('/router/models/:id/load', async (context) => {
    const client = checkIn({ ...parts, isDraining: () => false }, context.env.incoming);
    const id = modelToHold(context.req.param('id'), parts, client);
    await parts.supervisor.load(id, context.req.raw.signal);
    return context.json({ model: id, state: parts.supervisor.views().get(id)?.residency.kind });
  });
  app.post('/router/models/:id/unload', async (context) => {
    const client = checkIn({ ...parts, isDraining: () => false }, context.env.incoming);
    const id = modelToHold(context.req.param('id'), parts, client);
    await parts.supervisor.unload(id);
    return context.json({ model: id, state: parts.supervisor.views().get(id)?.residency.kind });
  });
}

function addStreamRoutes(app: Hono<Bindings>, parts: HttpParts): void {
  app.get('/router/models/:id/logs', (context) => {
    const id = modelId(findModel(context.req.param('id'), parts).id);
    const all = parts.supervisor.logs(id);
    const lines = all.slice(-readCount(context.req.query('lines'), { name: 'lines', otherwise: all.length }));
    if (context.req.query('follow') === undefined) return context.text(lines.map((line) => `${line}\n`).join(''));
    return streamSSE(context, (stream) =>
      follow(stream, parts.stopping, (send) => {
        for (const line of lines) send({ data: line });
        return parts.supervisor.onLog(id, (line) => send({ data: line }));
      }),
    );
  });
  app.get('/router/events', (context) =>
    streamSSE(context, (stream) =>
      follow(stream, parts.stopping, (send) =>
        parts.subscribe((event) => {
          if (event.kind === 'request.finished')
            send({ event: event.kind, data: JSON.stringify(encodeRecord(event.record)) });
          else if (event.kind !== 'child.log') send({ event: event.kind, data: JSON.stringify(event) });
        }),
      ),
    ),
  );
}

type SseMessage = { readonly event?: string; readonly data: string };
type SseStream = { writeSSE(message: SseMessage): Promise<void>; onAbort(listener: () => void): void };

/** Messages a slow watcher may be behind; the oldest are dropped, because memory must stay flat. */
const BACKLOG_MAX = 1000;

type Producer = (send: (message: SseMessage) => void) => () => void;

// Writes one message after another until the watcher leaves or the gateway stops, which would wait for the end of this
// answer otherwise. The producer never waits for the watcher.
async function follow(stream: SseStream, stopping: AbortSignal, start: Producer): Promise<void> {
  const backlog: SseMessage[] = [];
  let wake: () => void = () => undefined;
  let open = true;
  const stop = start((message) => {
    if (backlog.length >= BACKLOG_MAX) backlog.shift();
    backlog.push(message);
    wake();
  });
  const end = () => {
    open = false;
    wake();
  };
  stream.onAbort(end);
  stopping.addEventListener('abort', end);
  try {
    while (open && !stopping.aborted) {
      const next = backlog.shift();
      if (next !== undefined) await stream.writeSSE(next);
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    stopping.removeEventListener('abort', end);
    stop();
  }
}

function readCount(text: string | undefined, { name, otherwise }: { name: string; otherwise: number }): number {
  if (text === undefined) return otherwise;
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= COUNT_MAX) return count;
  throw new GatewayError(
    'invalid_request',
    `${name} must be an integer from 1 to ${COUNT_MAX}, not "${text.slice(0, 40)}"`,
    { param: name },
  );
}
