import { request } from 'undici';
import { GatewayError } from '../../src/core/errors.ts';
import type { Target } from './targets.ts';

/** Tokens in a whole reply of the upstream. */
export const REPLY_TOKENS = 64;

const WHOLE_TEXT = Array.from({ length: REPLY_TOKENS }, (_, index) => ` w${index + 1}`).join('');

/** The request everybody is sent: short enough that no part of the time is reading it. */
export const chatBody = (extra: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    model: 'auto',
    messages: [
      { role: 'system', content: 'You are a helpful assistant.' },
      { role: 'user', content: 'Write a short story about a lighthouse keeper who finds a message in a bottle.' },
    ],
    ...extra,
  });

/** Throws `runtime_failed` unless the target gives the upstream's 64 tokens, whole and as a stream: wrong is not fast. */
export async function checkTarget(target: Target): Promise<void> {
  const whole = JSON.parse(await post(target, chatBody())) as Reply;
  expectText(target, 'whole reply', whole.choices[0]?.message?.content);
  const stream = await post(target, chatBody({ stream: true }));
  expectText(target, 'stream', streamText(stream));
  if (!stream.includes('data: [DONE]')) {
    throw new GatewayError('runtime_failed', `the stream of ${target.name} does not end with [DONE]`);
  }
}

type Reply = {
  readonly choices: readonly {
    readonly message?: { readonly content?: string };
    readonly delta?: { readonly content?: string | null };
  }[];
};

/** Content of all chunks of an SSE reply, joined. */
export function streamText(stream: string): string {
  const events = stream.split('\n').filter((line) => line.startsWith('data: {'));
  return events.map((line) => (JSON.parse(line.slice(6)) as Reply).choices[0]?.delta?.content ?? '').join('');
}

async function post(target: Target, body: string): Promise<string> {
  const headers = { 'content-type': 'application/json', ...target.headers };
  const url = `http://127.0.0.1:${target.port}/v1/chat/completions`;
  const reply = await request(url, { method: 'POST', headers, body });
  const text = await reply.body.text();
  if (reply.statusCode !== 200) {
    throw new GatewayError('runtime_failed', `${target.name} answered ${reply.statusCode} to a chat: ${text}`);
  }
  return text;
}

function expectText(target: Target, what: string, text: string | undefined): void {
  if (text === WHOLE_TEXT) return;
  throw new GatewayError('runtime_failed', `the ${what} of ${target.name} is not the upstream's 64 tokens: ${text}`);
}
