import type { RequestFacts } from '../../core/request.ts';
import { readChatFacts } from './chat-facts.ts';
import { readJsonObject } from './read-json.ts';

/** A chat completion request as it came, and what the router needs to know of it. */
export type DecodedChat = {
  readonly facts: RequestFacts;
  /** The body, unchanged. */
  readonly bytes: Buffer;
  /** The parsed body; read only, for the rare case that it has to be written anew. */
  readonly body: Readonly<Record<string, unknown>>;
};

/**
 * Reads the body of `POST /v1/chat/completions`.
 * Throws `invalid_request` with `param` naming the field, in OpenAI's words where OpenAI has some.
 */
export function decodeChat(bytes: Buffer, header: (name: string) => string | undefined): DecodedChat {
  const body = readJsonObject(bytes);
  return { facts: readChatFacts(body, header), bytes, body };
}
