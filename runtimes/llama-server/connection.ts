import type { Clock } from '../../src/core/clock.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { ModelPolicy } from '../../src/core/policy.ts';
import type { ChildEndpoint, RunningManifest, RuntimeConnection, TokenizeOptions } from '../../src/core/runtime.ts';
import { createEngineClient, type EngineClient, type JsonReply } from '../../src/transport/engine-client.ts';
import { readProps } from './read-props.ts';
import { restoreSlot, type SavedSlot, saveSlot } from './saved-slot.ts';

/** A socket for `/health` and `/slots` beside those of the slots. */
const SPARE_CONNECTIONS = 1;
const POLL_FIRST_MS = 5;
// A load takes seconds; finding its end late adds to every cold answer, and asking costs next to nothing.
const READY_POLL_MAX_MS = 25;
// llama-server looks whether a client has left only after a second in which no result of any kind came, and the answer to
// our own question is one: asked more often, it would read an abandoned prompt to its end.
const IDLE_POLL_MAX_MS = 1_100;
/** The longest gap of the first, quick questions; a generation that is cancelled while it decodes ends within these. */
const IDLE_POLL_QUICK_MS = 100;
/** A server that does not answer `/health` for so long is asked again: its accept queue may have lost us. */
const HEALTH_LIMIT_MS = 2_000;
/** A server that has loaded answers `/props` within a millisecond; one that does not is not waited for. */
const PROPS_LIMIT_MS = 1_000;

/** Opens the way to a llama-server that was started on this endpoint. */
export function connectLlamaServer(
  model: ModelPolicy,
  endpoint: ChildEndpoint,
  { clock, slots }: { readonly clock: Clock; readonly slots?: SavedSlot | undefined },
): RuntimeConnection {
  const client = createEngineClient({
    origin: `http://127.0.0.1:${endpoint.port}`,
    headers: { authorization: `Bearer ${endpoint.apiKey}` },
    connections: (model.settings.parallel ?? 1) + SPARE_CONNECTIONS,
  });
  let manifest: RunningManifest | undefined;
  let isStateKept = false;
  return {
    ready: (signal) =>
      untilReady(client, clock, signal, async () => {
        manifest = await askProps(client, model, clock, signal);
        if (slots !== undefined) await restoreSlot(client, slots, { clock, signal });
      }),
    keepState: (keep) => {
      isStateKept = keep;
    },
    suspend: () => (isStateKept && slots !== undefined ? saveSlot(client, slots, clock) : undefined),
    manifest: () => manifest,
    countTokens: (body, signal) => countTokens(client, body, signal),
    tokenize: (text, how, signal) => tokenize(client, { text, how }, signal),
    canary: (signal) => generateOne(client, model, signal),
    idle: (signal, othersRunning) => untilIdle(client, clock, signal, othersRunning ?? (() => 0)),
    exchange: (path, body, sink) => client.exchange(path, body, sink),
    close: () => client.close(),
  };
}

async function untilReady(
  client: EngineClient,
  clock: Clock,
  signal: AbortSignal,
  onceLoaded: () => Promise<void>,
): Promise<void> {
  await poll(
    clock,
    (waitMs) => Math.min(waitMs * 1.5, READY_POLL_MAX_MS),
    signal,
    async () => {
      const status = await healthStatus(client, clock, signal);
      if (status === 200) {
        await onceLoaded();
        return true;
      }
      // 503 while loading; nothing at all while it has not opened its port.
      if (status === undefined || status === 503) return false;
      throw new GatewayError('start_failed', `/health answered ${status}: another program may have taken the port`);
    },
  );
}

/** Undefined where the server does not tell in time: the load is done, and what it can do is guessed from its file. */
async function askProps(
  client: EngineClient,
  model: ModelPolicy,
  clock: Clock,
  signal: AbortSignal,
): Promise<RunningManifest | undefined> {
  const reply = await askWithin(client, clock, { path: '/props', limitMs: PROPS_LIMIT_MS, signal });
  return reply?.status === 200 ? readProps(reply.body, model.settings) : undefined;
}

async function countTokens(
  client: EngineClient,
  body: Buffer | string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { status, body: answer } = await client.json('POST', '/v1/chat/completions/input_tokens', body, signal);
  // A build without the endpoint answers 404, a request it would refuse 400.
  const tokens = (answer as { readonly input_tokens?: unknown } | undefined)?.input_tokens;
  return status === 200 && typeof tokens === 'number' ? tokens : undefined;
}

async function tokenize(
  client: EngineClient,
  { text, how }: { readonly text: string; readonly how: TokenizeOptions },
  signal: AbortSignal,
): Promise<readonly unknown[] | undefined> {
  const body = { content: text, add_special: how.addSpecial, with_pieces: how.withPieces };
  const { status, body: answer } = await client.json('POST', '/tokenize', body, signal);
  const tokens = (answer as { readonly tokens?: unknown } | undefined)?.tokens;
  return status === 200 && Array.isArray(tokens) ? tokens : undefined;
}

async function healthStatus(client: EngineClient, clock: Clock, signal: AbortSignal): Promise<number | undefined> {
  return (await askWithin(client, clock, { path: '/health', limitMs: HEALTH_LIMIT_MS, signal }))?.status;
}

type Question = { readonly path: string; readonly limitMs: number; readonly signal: AbortSignal };

/** Undefined when refused, reset or silent: whether to go on is the caller's signal's business. */
async function askWithin(client: EngineClient, clock: Clock, question: Question): Promise<JsonReply | undefined> {
  const { path, limitMs, signal } = question;
  const abort = new AbortController();
  const onAbort = () => abort.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const cancel = clock.after(limitMs, () => abort.abort());
  try {
    return await client.json('GET', path, undefined, abort.signal);
  } catch {
    return undefined;
  } finally {
    cancel();
    signal.removeEventListener('abort', onAbort);
  }
}

async function generateOne(client: EngineClient, model: ModelPolicy, signal: AbortSignal): Promise<void> {
  const { path, body, list } = canaryOf(model);
  const reply = await client.json('POST', path, { ...body, model: model.id }, signal);
  const rows = (reply.body as Readonly<Record<string, unknown>> | undefined)?.[list];
  if (reply.status === 200 && Array.isArray(rows) && rows.length > 0) return;
  throw new GatewayError('runtime_failed', `a one-token request to ${path} was answered with status ${reply.status}`);
}

/** The smallest request this child is made for, and the list its answer must hold. */
function canaryOf({ settings }: ModelPolicy): { readonly path: string; readonly body: object; readonly list: string } {
  if (settings.embeddings) return { path: '/v1/embeddings', body: { input: 'ok' }, list: 'data' };
  if (settings.rerank) return { path: '/v1/rerank', body: { query: 'ok', documents: ['ok'] }, list: 'results' };
  const body = { messages: [{ role: 'user', content: 'ok' }], max_tokens: 1, temperature: 0 };
  return { path: '/v1/chat/completions', body, list: 'choices' };
}

async function untilIdle(
  client: EngineClient,
  clock: Clock,
  signal: AbortSignal,
  othersRunning: () => number,
): Promise<void> {
  const slower = (waitMs: number) => (waitMs < IDLE_POLL_QUICK_MS ? waitMs * 1.5 : IDLE_POLL_MAX_MS);
  await poll(clock, slower, signal, async () => {
    const { status, body } = await client.json('GET', '/slots', undefined, signal);
    if (status !== 200 || !Array.isArray(body)) {
      throw new GatewayError('runtime_failed', `/slots answered ${status}, so nobody can tell whether it is idle`);
    }
    const working = body.filter((slot: { readonly is_processing?: unknown }) => slot.is_processing === true);
    return working.length <= othersRunning();
  });
}

/** Asks until the answer is yes, ever more slowly. Rejects with the signal's reason. */
async function poll(
  clock: Clock,
  slower: (waitMs: number) => number,
  signal: AbortSignal,
  ask: () => Promise<boolean>,
): Promise<void> {
  for (let waitMs = POLL_FIRST_MS; ; waitMs = slower(waitMs)) {
    signal.throwIfAborted();
    if (await ask()) return;
    await clock.sleep(waitMs, signal);
  }
}
