import { basename } from 'node:path';
import type { Context, Hono } from 'hono';
import { GatewayError } from '../core/errors.ts';
import { friendlyName } from '../core/names.ts';
import type { ModelPolicy } from '../core/policy.ts';
import { readKeepAlive } from '../dialects/ollama/keep-alive.ts';
import { readJsonObject } from '../dialects/openai/read-json.ts';
import type { SupervisedModel } from '../supervise/supervisor-types.ts';
import type { Bindings } from './app.ts';
import { checkIn, checkOperator } from './check-in.ts';
import { encodeModel } from './models.ts';
import type { HttpParts } from './parts.ts';
import { readBody } from './read-body.ts';
import { modelToHold } from './residency.ts';
import { snakeCase } from './snake-case.ts';

/**
 * What an operator does with models: which files there are and why one cannot be used, what is loaded, loading and
 * unloading, and keeping new work away. To be added before `GET /v1/models/{id}`, whose ids these paths would be.
 */
export function addManagementRoutes(app: Hono<Bindings>, parts: HttpParts): void {
  app.get('/v1/models/available', async (context) => {
    await parts.started();
    const data = [...parts.policy().models.values()].map((model) => encodeAvailable(model, parts));
    return context.json({ object: 'list', data });
  });
  app.get('/v1/models/loaded', (context) => {
    const data = [...parts.policy().models.values()].flatMap((model) => {
      const view = parts.supervisor.views().get(model.id);
      return view !== undefined && isLoaded(view) ? [encodeLoaded(model, view, parts)] : [];
    });
    return context.json({ object: 'list', data });
  });
  app.post('/v1/models/load', async (context) => {
    const { model, keep } = await readOrder(context, parts);
    await parts.supervisor.load(model, context.req.raw.signal);
    if (keep !== undefined) parts.supervisor.keep(model, keep);
    return context.json(encodeOutcome(model, parts));
  });
  app.post('/v1/models/unload', async (context) => {
    const { model } = await readOrder(context, parts);
    await parts.supervisor.unload(model);
    return context.json(encodeOutcome(model, parts));
  });
  app.post('/router/drain', async (context) => {
    checkOperator(checkIn({ ...parts, isDraining: () => false }, context.env.incoming));
    parts.drain.begin();
    if (context.req.query('wait') !== 'false') await untilDrained(parts, context.req.raw.signal);
    return context.json(encodeDrain(parts));
  });
  app.delete('/router/drain', (context) => {
    checkOperator(checkIn({ ...parts, isDraining: () => false }, context.env.incoming));
    parts.drain.end();
    return context.json(encodeDrain(parts));
  });
}

const isLoaded = ({ residency }: SupervisedModel): boolean => residency.kind === 'ready' || residency.kind === 'busy';

/** Gap between two looks at lanes that an engine has not left yet, or that batch work has. */
const LOOK_EVERY_MS = 100;

async function untilDrained(parts: HttpParts, signal: AbortSignal): Promise<void> {
  await parts.answers.idle();
  while (isBusy(parts)) await parts.clock.sleep(LOOK_EVERY_MS, signal);
}

const isBusy = ({ answers, snapshot }: HttpParts): boolean =>
  answers.size > 0 ||
  [...snapshot().lanes.values()].some(({ running, waiting }) => running.length + waiting.length > 0);

/** True while no work is taken and none is left; false where some is, or where work is taken. */
const encodeDrain = (parts: HttpParts) => ({
  draining: parts.drain.active,
  drained: parts.drain.active && !isBusy(parts),
  requests_active: parts.answers.size,
});

async function readOrder(context: Context<Bindings>, parts: HttpParts) {
  const client = checkIn({ ...parts, isDraining: () => false }, context.env.incoming);
  const body = readJsonObject(await readBody(context.env.incoming, parts.policy().gateway.bodyBytesMax));
  const { model } = body;
  if (typeof model !== 'string' || model === '') {
    throw new GatewayError('invalid_request', 'model must be the name of a model', { param: 'model' });
  }
  await parts.started();
  return { model: modelToHold(model, parts, client), keep: readKeepAlive(body) };
}

function encodeOutcome(id: ModelPolicy['id'], { supervisor }: HttpParts) {
  const view = supervisor.views().get(id);
  return {
    model: id,
    state: view?.residency.kind ?? 'stopped',
    last_load_ms: view?.lastLoadMs ?? null,
    memory_bytes: view?.memoryBytes ?? null,
  };
}

function encodeAvailable(model: ModelPolicy, parts: HttpParts) {
  const view = parts.supervisor.views().get(model.id);
  const facts = view?.facts;
  const runtime = parts.policy().runtimes.get(model.runtime);
  return {
    ...encodeModel(model, parts),
    friendly_name: friendlyName(model.file),
    file: model.file,
    file_name: basename(model.file),
    size_bytes: facts?.weightsBytes ?? null,
    memory_bytes: view?.memoryBytes ?? null,
    parameters_billion: facts?.parametersBillion ?? null,
    quantization: facts?.quantization ?? null,
    trained_context_length: facts?.trainedContext ?? null,
    runtime: model.runtime,
    device: runtime?.device ?? null,
    classes: model.classes ?? null,
    enabled: model.enabled,
    loaded: view !== undefined && isLoaded(view),
    remedy: view?.availability.kind === 'unavailable' ? view.availability.remedy : undefined,
  };
}

function encodeLoaded(model: ModelPolicy, view: SupervisedModel, parts: HttpParts) {
  return {
    ...encodeModel(model, parts),
    friendly_name: friendlyName(model.file),
    size_bytes: view.facts?.weightsBytes ?? null,
    memory_bytes: view.memoryBytes,
    rss_bytes: view.rssBytes ?? null,
    pid: view.pid ?? null,
    started_at: isoTime(view.startedAtMs),
    running: view.running,
    parallel: view.parallel,
    keep: snakeCase(view.keep ?? model.keep),
    unloads_at: isoTime(view.unloadsAtMs),
  };
}

const isoTime = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());
