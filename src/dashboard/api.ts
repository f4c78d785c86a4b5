import { readSse, type SseMessage } from './read-sse.ts';

const KEY_NAME = 'sluice.key';

/** What went wrong with a request, in the gateway's own words. `status` 0 = the gateway was not reached. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The key that was given, kept until the tab is closed; undefined where none was. */
export const givenKey = (): string | undefined => sessionStorage.getItem(KEY_NAME) ?? undefined;

/** Keeps a key for this tab; undefined forgets it. */
export function keepKey(key: string | undefined): void {
  if (key === undefined) sessionStorage.removeItem(KEY_NAME);
  else sessionStorage.setItem(KEY_NAME, key);
}

/** Asks the gateway by a path relative to the page. Throws {@link ApiError} for anything but success. */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const key = givenKey();
  const headers = { ...init.headers, ...(key !== undefined && { authorization: `Bearer ${key}` }) };
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, cache: 'no-store' });
  } catch (thrown) {
    if (init.signal?.aborted) throw thrown;
    throw new ApiError(0, 'the gateway does not answer; is it running?');
  }
  if (response.ok) return response;
  throw new ApiError(response.status, await messageIn(response));
}

/** GET, parsed. The caller names the form of the answer, which is documented in docs/api.md. */
export async function getJson<Form>(path: string, signal?: AbortSignal): Promise<Form> {
  return (await ask(path, { signal: signal ?? null })).json() as Promise<Form>;
}

/** POST of a JSON body; the answer is not read yet. */
export const post = (path: string, body: unknown, signal?: AbortSignal): Promise<Response> =>
  ask(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    signal: signal ?? null,
  });

/** Server-sent events of a path until it ends or the signal aborts. `EventSource` could not send the key. */
export async function* eventsOf(path: string, signal: AbortSignal, onOpen: () => void): AsyncGenerator<SseMessage> {
  const { body } = await ask(path, { signal });
  onOpen();
  if (body !== null) yield* readSse(body);
}

async function messageIn(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const body = JSON.parse(text) as { readonly error?: { readonly message?: string } };
    return body.error?.message ?? text;
  } catch {
    // Something between here and the gateway answered in its own form.
    return text.slice(0, 300) || `${response.status} ${response.statusText}`;
  }
}
