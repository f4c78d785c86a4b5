import { formatDurationMs } from '../core/format.ts';
import { ApiError, ask } from './api.ts';
import { readSse } from './read-sse.ts';
import type { XRouter } from './wire.ts';

/** One thing an answer under way brings. */
export type ChatPiece =
  | { readonly kind: 'waits'; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'thought'; readonly text: string }
  | { readonly kind: 'routed'; readonly routed: XRouter }
  | { readonly kind: 'ended' };

type Question = {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
};

type Progress = { readonly phase: string; readonly ahead?: number; readonly remaining_ms?: number };

type Chunk = {
  readonly choices?: readonly { readonly delta?: { readonly content?: string; readonly reasoning_content?: string } }[];
  readonly x_router?: Partial<XRouter> & { readonly progress?: Progress };
  readonly error?: { readonly message: string };
};

/** Asks a question and hands over the answer as it comes. Rejects with what the gateway says where there is none. */
export async function streamChat(
  question: Question,
  signal: AbortSignal,
  onPiece: (piece: ChatPiece) => void,
): Promise<void> {
  const { body } = await ask('v1/chat/completions', {
    method: 'POST',
    body: JSON.stringify({ ...question, stream: true }),
    headers: { 'content-type': 'application/json', 'x-router-progress': '1' },
    signal,
  });
  if (body === null) return;
  for await (const { data } of readSse(body)) {
    // The body is read to its end, which comes at once: leaving it would count as having gone away.
    if (data === '[DONE]') continue;
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error !== undefined) throw new ApiError(200, chunk.error.message);
    for (const piece of piecesOf(chunk)) onPiece(piece);
  }
}

function* piecesOf({ choices, x_router: router }: Chunk): Generator<ChatPiece> {
  const delta = choices?.[0]?.delta;
  if (delta?.reasoning_content) yield { kind: 'thought', text: delta.reasoning_content };
  if (delta?.content) yield { kind: 'text', text: delta.content };
  if (router?.progress !== undefined) yield { kind: 'waits', text: progressText(router.progress) };
  if (router?.model !== undefined) yield { kind: 'routed', routed: router as XRouter };
}

const PHASES: Readonly<Record<string, string>> = {
  queue: 'waits in the queue',
  load: 'the model is being loaded',
  prefill: 'the model reads',
};

function progressText({ phase, ahead, remaining_ms: remainingMs }: Progress): string {
  const before = ahead !== undefined && ahead > 0 ? ` behind ${ahead}` : '';
  const left = remainingMs === undefined ? '' : `, ${formatDurationMs(remainingMs)} left`;
  return `${PHASES[phase] ?? phase}${before}${left}`;
}
