import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../src/core/events.ts';
import type { Bindings } from '../../src/http/app.ts';
import type { HttpParts } from '../../src/http/parts.ts';
import { addRouterRoutes } from '../../src/http/router-routes.ts';

type Listener = (event: GatewayEvent) => void;

/** The routes on a gateway of which only events and its stopping are asked. */
function eventsApp() {
  const listeners = new Set<Listener>();
  const stopping = new AbortController();
  const app = new Hono<Bindings>();
  const subscribe = (listener: Listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  addRouterRoutes(app, { subscribe, stopping: stopping.signal } as unknown as HttpParts);
  return { app, listeners, stopping };
}

const NOTICE: GatewayEvent = { kind: 'gateway.notice', level: 'info', message: 'hello' };

describe('GET /router/events', () => {
  it('tells what happens until the gateway stops, and lets go then', async () => {
    const { app, listeners, stopping } = eventsApp();
    const reply = await app.request('/router/events');
    for (const listener of listeners) listener(NOTICE);
    const reader = reply.body?.getReader();
    const first = await reader?.read();
    expect(new TextDecoder().decode(first?.value)).toBe(`event: gateway.notice\ndata: ${JSON.stringify(NOTICE)}\n\n`);
    stopping.abort();
    expect(await reader?.read()).toEqual({ done: true, value: undefined });
    expect(listeners.size).toBe(0);
  });

  it('ends at once while the gateway stops, so that nobody who comes back keeps it from stopping', async () => {
    const { app, listeners, stopping } = eventsApp();
    stopping.abort();
    expect(await (await app.request('/router/events')).text()).toBe('');
    expect(listeners.size).toBe(0);
  });

  it('lets go of a watcher that leaves', async () => {
    const { app, listeners } = eventsApp();
    const reply = await app.request('/router/events');
    await reply.body?.cancel();
    await expect.poll(() => listeners.size).toBe(0);
  });
});
