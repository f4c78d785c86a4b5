import type { GatewayError } from '../../core/errors.ts';
import type { ModelId } from '../../core/ids.ts';
import { encodeProgress, type Progress } from '../../core/progress.ts';
import type { ReplyContext, ReplyWriter } from '../codec.ts';
import { type EngineListener, EngineStreamReader, type ToolCallPart } from '../engine/read-stream.ts';
import { encodeError } from './encode-error.ts';
import type { MessagesReply } from './encode-reply.ts';
import { callId, encodeStop, encodeUsage, encodeXRouter, messageFrame } from './message.ts';

/**
 * Writes a message as events. One content block is open at a time; what the engine says next decides whether it goes on:
 *
 *   message_start → (content_block_start → content_block_delta* → content_block_stop)* → message_delta → message_stop
 *
 * The start tells how many tokens the prompt is predicted to have; `message_delta` has the true counts and `x_router`.
 */
export function createStreamWriter(reply: MessagesReply): ReplyWriter {
  return new StreamWriter(reply);
}

const PING = 'event: ping\ndata: {"type":"ping"}\n\n';

type OpenBlock =
  | { readonly kind: 'text' }
  | { readonly kind: 'thinking' }
  | { readonly kind: 'call'; readonly of: number };

class StreamWriter implements ReplyWriter, EngineListener {
  readonly contentType = 'text/event-stream; charset=utf-8';
  readonly #reply: MessagesReply;
  readonly #context: ReplyContext;
  readonly #reader = new EngineStreamReader(this);
  #written = '';
  #open: OpenBlock | undefined;
  /** Index of the open block, or of the next one. */
  #index = 0;

  constructor(reply: MessagesReply) {
    this.#reply = reply;
    this.#context = reply.context;
  }

  // Clients pass over a ping, whatever else stands in it.
  heartbeat(_?: ModelId, progress?: Progress): string {
    return progress === undefined ? PING : eventOf('ping', { type: 'ping', progress: encodeProgress(progress) });
  }

  begin(model: ModelId): string {
    const { requestId, promptTokens } = this.#context;
    const usage = { input_tokens: promptTokens, ...NOTHING_READ, output_tokens: 0 };
    return eventOf('message_start', {
      type: 'message_start',
      message: { ...messageFrame(requestId, model), content: [], stop_reason: null, stop_sequence: null, usage },
    });
  }

  events(bytes: Buffer): string {
    this.#reader.push(bytes);
    const written = this.#written;
    this.#written = '';
    return written;
  }

  end(last: Buffer): string {
    const written = this.events(last);
    this.#close();
    const { final } = this.#reader;
    const { ignored, maxTokens } = this.#reply;
    const delta = eventOf('message_delta', {
      type: 'message_delta',
      delta: encodeStop(final, maxTokens()),
      usage: encodeUsage(final),
      x_router: encodeXRouter(final.xRouter, ignored),
    });
    return `${written}${this.#written}${delta}event: message_stop\ndata: {"type":"message_stop"}\n\n`;
  }

  failed(error: GatewayError): string {
    return eventOf('error', encodeError(error, this.#context.requestId));
  }

  text(text: string): void {
    if (this.#open?.kind !== 'text') this.#start({ kind: 'text' }, '{"type":"text","text":""}');
    this.#delta('text_delta","text"', text);
  }

  reasoning(text: string): void {
    if (!this.#reply.showsThinking) return;
    if (this.#open?.kind !== 'thinking') {
      this.#start({ kind: 'thinking' }, '{"type":"thinking","thinking":"","signature":""}');
    }
    this.#delta('thinking_delta","thinking"', text);
  }

  toolCall(part: ToolCallPart): void {
    const { index, id, name } = part;
    if (this.#open?.kind !== 'call' || this.#open.of !== index) {
      const block = { type: 'tool_use', id: callId(id, this.#context.requestId, index), name: name ?? '', input: {} };
      this.#start({ kind: 'call', of: index }, JSON.stringify(block));
    }
    if (part.arguments !== '') this.#delta('input_json_delta","partial_json"', part.arguments);
  }

  #start(open: OpenBlock, block: string): void {
    this.#close();
    this.#open = open;
    this.#written += `event: content_block_start\ndata: {"type":"content_block_start","index":${this.#index},"content_block":${block}}\n\n`;
  }

  // One for every token, so nothing but the text itself is put into JSON here.
  #delta(typeAndKey: string, text: string): void {
    this.#written += `event: content_block_delta\ndata: {"type":"content_block_delta","index":${this.#index},"delta":{"type":"${typeAndKey}:${JSON.stringify(text)}}}\n\n`;
  }

  #close(): void {
    if (this.#open === undefined) return;
    this.#open = undefined;
    this.#written += `event: content_block_stop\ndata: {"type":"content_block_stop","index":${this.#index}}\n\n`;
    this.#index += 1;
  }
}

const NOTHING_READ = { cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };

const eventOf = (name: string, value: object): string => `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
