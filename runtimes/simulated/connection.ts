import type { Clock } from '../../src/core/clock.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { ModelPolicy } from '../../src/core/policy.ts';
import type { ChildEndpoint, RuntimeConnection } from '../../src/core/runtime.ts';
import { createEngineClient, type EngineClient } from '../../src/transport/engine-client.ts';
import { slotsOf } from './inspect.ts';

/** A socket for `/health` and `/slots` beside those of the slots. */
const SPARE_CONNECTIONS = 1;
/** Gap between two questions, real ms: the worker is ours, on this machine, and answers within one. */
const POLL_REAL_MS = 5;

/** Time as the board has it, and how many times as fast as the wall's it runs. */
export type BoardTime = { readonly clock: Clock; readonly speed: number };

/** Opens the way to a worker that was started on this endpoint. */
export function connectSimulated(model: ModelPolicy, endpoint: ChildEndpoint, time: BoardTime): RuntimeConnection {
  const client = createEngineClient({
    origin: `http://127.0.0.1:${endpoint.port}`,
    headers: { authorization: `Bearer ${endpoint.apiKey}` },
    connections: slotsOf(model) + SPARE_CONNECTIONS,
  });
  return {
    ready: (signal) => poll(time, signal, () => isLoaded(client, signal)),
    details: () => ({ simulated: true, speed: time.speed }),
    countTokens: async (body, signal) => {
      const reply = await client.json('POST', '/v1/chat/completions/input_tokens', body, signal);
      const tokens = (reply.body as { readonly input_tokens?: unknown } | undefined)?.input_tokens;
      return reply.status === 200 && typeof tokens === 'number' ? tokens : undefined;
    },
    canary: async (signal) => {
      const body = { messages: [{ role: 'user', content: 'ok' }], max_tokens: 1 };
      const { status } = await client.json('POST', '/v1/chat/completions', body, signal);
      if (status !== 200)
        throw new GatewayError('runtime_failed', `a one-token answer of ${model.id} came with status ${status}`);
    },
    idle: (signal, othersRunning) =>
      poll(time, signal, async () => (await slotsRunning(client, signal)) <= (othersRunning?.() ?? 0)),
    exchange: (path, body, sink) => client.exchange(path, body, sink),
    close: () => client.close(),
  };
}

async function isLoaded(client: EngineClient, signal: AbortSignal): Promise<boolean> {
  try {
    const { status } = await client.json('GET', '/health', undefined, signal);
    return status === 200;
  } catch {
    // Its port is not open yet; the signal's end is the next wait's to tell.
    return false;
  }
}

async function slotsRunning(client: EngineClient, signal: AbortSignal): Promise<number> {
  const { body } = await client.json('GET', '/slots', undefined, signal);
  const slots = Array.isArray(body) ? (body as readonly { readonly is_processing?: unknown }[]) : [];
  return slots.filter(({ is_processing }) => is_processing === true).length;
}

async function poll({ clock, speed }: BoardTime, signal: AbortSignal, isDone: () => Promise<boolean>): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    if (await isDone()) return;
    await clock.sleep(POLL_REAL_MS * speed, signal);
  }
}
