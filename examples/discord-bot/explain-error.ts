import { APIConnectionError, APIError } from 'openai';

/** What is said to people when a request fails; `nowMs` is the wall clock. */
export function explainError(failure: unknown, nowMs: number): string {
  if (failure instanceof APIConnectionError) return 'I cannot reach the model server. Is it running?';
  if (!(failure instanceof APIError)) return 'Something went wrong on my side; my log says what.';
  const { status, code } = failure;
  const when = comeBack(failure, nowMs);
  const detail = plainMessage(failure);
  if (status === 401 || status === 403) return 'The model server does not accept my key. Please tell whoever runs me.';
  if (code === 'queue_full') return `Too many are waiting already.${when}`;
  if (status === 429) return `I may not ask more now: ${detail}${when}`;
  if (code === 'context_length_exceeded')
    return 'This conversation is too long for every model. `/forget` starts a new one.';
  if (code === 'model_not_found') return `${sentence(detail)} Choose another one with \`/model\`.`;
  if (code === 'request_cancelled') return 'The answer was cancelled on the server.';
  if (status === 503) return `No model can answer now: ${detail}${when}`;
  if (status !== undefined && status >= 500) return `The model failed: ${detail}${when}`;
  // An error in the middle of a stream has no status.
  if (status === undefined) return `The answer broke off: ${detail}`;
  return `The model server refuses this: ${detail}`;
}

// Discord shows `<t:…:R>` as "in 12 seconds" and counts down by itself.
function comeBack({ headers }: APIError, nowMs: number): string {
  const seconds = Number(headers?.get('retry-after') ?? Number.NaN);
  if (!Number.isFinite(seconds)) return '';
  return ` Try again <t:${Math.ceil(nowMs / 1000 + seconds)}:R>.`;
}

const DETAIL_CHARS_MAX = 300;

// The SDK's own message begins with the status.
function plainMessage({ error, message }: APIError): string {
  const said = (error as { readonly message?: unknown } | undefined)?.message;
  const text = typeof said === 'string' ? said : message;
  // When to come back is said in Discord's own way.
  const oneLine = text
    .replace(/\s+/g, ' ')
    .replace(/; try again in [^;]+$/, '')
    .trim();
  return sentence(oneLine.length > DETAIL_CHARS_MAX ? `${oneLine.slice(0, DETAIL_CHARS_MAX)}…` : oneLine);
}

const sentence = (text: string): string => (/[.!?…]$/.test(text) ? text : `${text}.`);
