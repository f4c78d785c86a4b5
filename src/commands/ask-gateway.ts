import { Readable } from 'node:stream';
import { type Dispatcher, request } from 'undici';
import { GatewayError, messageOf } from '../core/errors.ts';

/** Which gateway to ask. */
export type GatewayAddress = { readonly url: string; readonly key: string | undefined };

/** What is sent, where it is more than a question. */
export type GatewayCall = {
  /** Default: GET, or POST where there is a body. */
  readonly method?: 'DELETE' | 'POST';
  /** Text, or pieces that are sent as they come. */
  readonly body?: string | AsyncIterable<Uint8Array>;
  /** Default: JSON. */
  readonly contentType?: string;
};

/**
 * Sends one request to a running gateway and returns its parsed answer; undefined when nobody listens there.
 * Throws `runtime_failed` with the gateway's own message when it refuses.
 */
export async function askGateway(address: GatewayAddress, path: string, body?: string): Promise<unknown> {
  const reply = await openGateway(address, path, body === undefined ? {} : { body });
  return reply === undefined ? undefined : readAnswer(address, reply);
}

/**
 * Sends one request and returns the answer whose body is still to be read; undefined when nobody listens there. Throws
 * `runtime_failed`: with the gateway's own message, status and `param` when it refuses, with the socket's error as
 * `cause` when it is lost.
 */
export async function openGateway(
  address: GatewayAddress,
  path: string,
  call: GatewayCall,
): Promise<Dispatcher.ResponseData | undefined> {
  const reply = await send(address, path, call);
  if (reply === undefined || reply.statusCode < 400) return reply;
  const text = await readText(address, reply);
  const hint = reply.statusCode === 401 ? ' (set SLUICE_KEY to an API key of the gateway)' : '';
  const { message = text.slice(0, 200), param } = reasonOf(text);
  throw new GatewayError('runtime_failed', `${address.url} answered ${reply.statusCode}: ${message}${hint}`, {
    status: reply.statusCode,
    ...(typeof param === 'string' && { param }),
  });
}

/** Reads an answer that is JSON. Throws `runtime_failed` where it is not, or where the gateway is lost meanwhile. */
export async function readAnswer(address: GatewayAddress, reply: Dispatcher.ResponseData): Promise<unknown> {
  const text = await readText(address, reply);
  try {
    return JSON.parse(text);
  } catch {
    throw new GatewayError('runtime_failed', `${address.url} answered no JSON: is it a gateway of sluice?`);
  }
}

async function readText(address: GatewayAddress, reply: Dispatcher.ResponseData): Promise<string> {
  try {
    return await reply.body.text();
  } catch (error) {
    throw lost(address, error);
  }
}

type Reason = { readonly message?: string; readonly param?: string | null };

// The gateway's own words; nothing where something else answered.
function reasonOf(text: string): Reason {
  try {
    const { error } = JSON.parse(text) as { readonly error?: Reason };
    return error ?? {};
  } catch {
    return {};
  }
}

async function send({ url, key }: GatewayAddress, path: string, { method, body, contentType }: GatewayCall) {
  const headers: Record<string, string> = { 'content-type': contentType ?? 'application/json' };
  if (key !== undefined) headers['authorization'] = `Bearer ${key}`;
  try {
    return await request(`${url}${path}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers,
      body: typeof body === 'object' ? Readable.from(body) : body,
      // A large file may take longer to arrive than the five minutes after which undici gives up.
      ...(typeof body === 'object' && { headersTimeout: 0 }),
    });
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return undefined;
    throw lost({ url, key }, error);
  }
}

const lost = ({ url }: GatewayAddress, error: unknown): GatewayError =>
  new GatewayError('runtime_failed', `cannot ask ${url}: ${messageOf(error)}`, { cause: error });
