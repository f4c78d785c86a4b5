import type { GatewayError } from '../../core/errors.ts';
import type { ModelId } from '../../core/ids.ts';
import type { ReplyContext, ReplyWriter } from '../codec.ts';
import { readEngineReply } from '../engine/read-reply.ts';
import { encodeError } from './encode-error.ts';
import { isFields } from './fields.ts';
import { callId, encodeStop, encodeUsage, encodeXRouter, messageFrame } from './message.ts';

/** What a reply depends on beside the engine's words. */
export type MessagesReply = {
  readonly context: ReplyContext;
  /** See {@link DecodedMessages}. */
  readonly ignored: readonly string[];
  readonly showsThinking: boolean;
  readonly prefill: string;
  /** The bound the engine was given; undefined = none. */
  readonly maxTokens: () => number | undefined;
};

/** Writes a whole message. White space is what JSON allows in front of it. */
export function createReplyWriter({ context, ignored, showsThinking, prefill, maxTokens }: MessagesReply): ReplyWriter {
  let by = '' as ModelId;
  return {
    contentType: 'application/json; charset=utf-8',
    heartbeat: () => ' ',
    begin: (model) => {
      by = model;
      return '';
    },
    events: () => '',
    end: (last) => {
      const { text: whole, reasoning, toolCalls, final } = readEngineReply(last);
      // llama-server says the beginning it was given once more, in a whole reply but not in a stream.
      const text = whole.startsWith(prefill) ? whole.slice(prefill.length) : whole;
      return JSON.stringify({
        ...messageFrame(context.requestId, by),
        content: [
          ...(showsThinking && reasoning !== '' ? [{ type: 'thinking', thinking: reasoning, signature: '' }] : []),
          ...(text === '' ? [] : [{ type: 'text', text, citations: null }]),
          ...toolCalls.map((call, index) => ({
            type: 'tool_use',
            id: callId(call.id, context.requestId, index),
            name: call.name,
            input: inputOf(call.arguments),
          })),
        ],
        ...encodeStop(final, maxTokens()),
        usage: encodeUsage(final),
        x_router: encodeXRouter(final.xRouter, ignored),
      });
    },
    failed: (error: GatewayError) => JSON.stringify(encodeError(error, context.requestId)),
  };
}

/** Arguments as an object. What the model got wrong is kept under one key, so that client and model can see it. */
function inputOf(text: string): Readonly<Record<string, unknown>> {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (isFields(value)) return value;
  } catch {
    // Not JSON: told below.
  }
  return { INVALID_JSON: text };
}
