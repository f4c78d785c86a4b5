import { request } from 'undici';
import { GatewayError, messageOf } from '../core/errors.ts';

/** Which gateway to ask. */
export type GatewayAddress = { readonly url: string; readonly key: string | undefined };

/**
 * Sends one request to a running gateway and returns its parsed answer; undefined when nobody listens there.
 * Throws `runtime_failed` with the gateway's own message when it refuses.
 */
export async function askGateway(address: GatewayAddress, path: string, body?: string): Promise<unknown> {
  const reply = await send(address, path, body);
  if (reply === undefined) return undefined;
  const text = await reply.body.text();
  const value: unknown = JSON.parse(text);
  if (reply.statusCode < 400) return value;
  const message = (value as { error?: { message?: string } }).error?.message ?? text;
  const hint = reply.statusCode === 401 ? ' (set SLUICE_KEY to an API key of the gateway)' : '';
  throw new GatewayError('runtime_failed', `${address.url} answered ${reply.statusCode}: ${message}${hint}`);
}

async function send({ url, key }: GatewayAddress, path: string, body: string | undefined) {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (key !== undefined) headers['authorization'] = `Bearer ${key}`;
  try {
    return await request(`${url}${path}`, { method: body === undefined ? 'GET' : 'POST', headers, body });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return undefined;
    throw new GatewayError('runtime_failed', `cannot ask ${url}: ${messageOf(error)}`, { cause: error });
  }
}
