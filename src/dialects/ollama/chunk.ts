import type { ModelId } from '../../core/ids.ts';
import type { WholeToolCall } from '../engine/read-reply.ts';

/** Which of the two endpoints is answered: their chunks differ in where the text stands. */
export type Form = 'chat' | 'generate';

/** What one chunk says; absent parts are left out. */
export type ChunkParts = {
  readonly text?: string | undefined;
  readonly thinking?: string | undefined;
  readonly toolCalls?: readonly WholeToolCall[];
  /** As engines write them: `{content: [...]}`. */
  readonly logprobs?: unknown;
};

/**
 * One chunk of an answer as JSON text; `end` is JSON of the fields that follow, such as `"done":false`. Written by hand,
 * because there is one for every token.
 */
export function writeChunk(
  form: Form,
  head: { readonly model: ModelId | undefined; readonly atMs: number; readonly end: string },
  parts: ChunkParts,
): string {
  const said = form === 'chat' ? chatBody(parts) : `"response":${JSON.stringify(parts.text ?? '')}${thinkingOf(parts)}`;
  const createdAt = new Date(head.atMs).toISOString();
  const logprobs = parts.logprobs === undefined ? '' : logprobsOf(parts.logprobs);
  return `{"model":${JSON.stringify(head.model ?? '')},"created_at":"${createdAt}",${said}${logprobs},${head.end}}`;
}

function chatBody(parts: ChunkParts): string {
  const calls = parts.toolCalls === undefined ? '' : `,"tool_calls":${JSON.stringify(parts.toolCalls.map(encodeCall))}`;
  return `"message":{"role":"assistant","content":${JSON.stringify(parts.text ?? '')}${thinkingOf(parts)}${calls}}`;
}

const thinkingOf = ({ thinking }: ChunkParts): string =>
  thinking === undefined || thinking === '' ? '' : `,"thinking":${JSON.stringify(thinking)}`;

function logprobsOf(value: unknown): string {
  const content = typeof value === 'object' && value !== null ? (value as { content?: unknown }).content : undefined;
  return Array.isArray(content) ? `,"logprobs":${JSON.stringify(content)}` : '';
}

function encodeCall(call: WholeToolCall, index: number) {
  return {
    ...(call.id !== '' && { id: call.id }),
    function: { index, name: call.name, arguments: argumentsOf(call.arguments) },
  };
}

/**
 * A call's arguments as an object. What a model wrote that is none, such as the half of one where the bound on output cut
 * it off, is not thrown away: it stands in `INVALID_JSON`, for the tool to refuse and the model to be told.
 */
function argumentsOf(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Falls through to the same answer as any other text that is no object.
  }
  return { INVALID_JSON: text };
}
