import type { GatewayError } from '../../core/errors.ts';
import type { ModelId } from '../../core/ids.ts';
import { encodeProgress, type Progress } from '../../core/progress.ts';
import type { ReplyContext, ReplyWriter } from '../codec.ts';
import type { EngineFinal } from '../engine/final.ts';
import { type EngineListener, EngineStreamReader, type ToolCallPart } from '../engine/read-stream.ts';
import type { DecodedResponses } from './decode.ts';
import { responsesError } from './encode-error.ts';
import {
  type Call,
  callItem,
  customInput,
  formOf,
  type ItemStatus,
  messageItem,
  reasoningItem,
  reasoningPart,
  textPart,
} from './items.ts';
import { createResponseObjects, type ResponseObjects, type ResponseStatus, statusAfter } from './response.ts';

/**
 * Writes the event sequence of a streamed response:
 *
 *   response.created → response.in_progress
 *   per item: output_item.added → [content_part.added] → …delta* → …done → [content_part.done] → output_item.done
 *   response.completed | response.incomplete | response.failed, error
 *
 * One item is open at a time; whatever is of another kind closes it. Every event has the next `sequence_number`.
 *
 * The heartbeat is `response.in_progress` once more and no comment: Codex gives up after `stream_idle_timeout_ms` without
 * an event, and comments are none.
 */
export function createStreamWriter(decoded: DecodedResponses, context: ReplyContext): ReplyWriter {
  return new StreamWriter(decoded, context);
}

type OpenItem =
  | { readonly kind: 'message' | 'reasoning'; readonly id: string; readonly delta: string; text: string }
  | { readonly kind: 'call'; readonly index: number; readonly call: Call; readonly delta: string; text: string };

class StreamWriter implements ReplyWriter, EngineListener {
  readonly contentType = 'text/event-stream';
  readonly #decoded: DecodedResponses;
  readonly #objects: ResponseObjects;
  readonly #reader = new EngineStreamReader(this);
  readonly #output: object[] = [];
  #model: string;
  /** Written and not yet handed over. */
  #pending = '';
  #sequence = 0;
  #created = false;
  #open: OpenItem | undefined;

  constructor(decoded: DecodedResponses, context: ReplyContext) {
    this.#decoded = decoded;
    this.#objects = createResponseObjects(decoded, context);
    this.#model = decoded.facts.model;
  }

  heartbeat(model: ModelId | undefined, progress?: Progress): string {
    this.#model = model ?? this.#model;
    // A comment: this language's events are checked field by field by some of its clients.
    if (progress !== undefined) this.#pending += `: progress ${JSON.stringify(encodeProgress(progress))}\n\n`;
    if (this.#created) this.#state('response.in_progress', 'in_progress');
    else this.#create();
    return this.#take();
  }

  begin(model: ModelId): string {
    this.#model = model;
    if (!this.#created) this.#create();
    return this.#take();
  }

  events(bytes: Buffer): string {
    this.#reader.push(bytes);
    return this.#take();
  }

  end(last: Buffer): string {
    this.#reader.push(last);
    const { final } = this.#reader;
    const status = statusAfter(final);
    // An answer of nothing at all is still a message.
    if (this.#open === undefined && this.#output.length === 0) this.#begin('message');
    this.#close(status);
    this.#state(`response.${status}`, status, { final });
    return this.#take();
  }

  failed(error: GatewayError): string {
    if (!this.#created) this.#create();
    this.#close('incomplete');
    const { error: told } = responsesError(error);
    const code = told.code ?? told.type;
    const { message } = told;
    this.#state('response.failed', 'failed', { error: { code, message } });
    // `response.failed` is what agents look for; SDKs throw only where an event has an `error`.
    this.#event('error', { code, message, param: told.param, error: told });
    return this.#take();
  }

  text(text: string): void {
    const item = this.#open?.kind === 'message' ? this.#open : this.#begin('message');
    this.#delta(item, text);
  }

  reasoning(text: string): void {
    const item = this.#open?.kind === 'reasoning' ? this.#open : this.#begin('reasoning');
    this.#delta(item, text);
  }

  toolCall(part: ToolCallPart): void {
    const open = this.#open;
    const item = open?.kind === 'call' && open.index === part.index ? open : this.#beginCall(part);
    if (part.arguments === '') return;
    // Free text is known only when the JSON around it is complete.
    if (item.kind === 'call' && item.call.form.kind === 'custom') item.text += part.arguments;
    else this.#delta(item, part.arguments);
  }

  // Once per token: everything that does not change was written when the item was opened.
  #delta(item: OpenItem, text: string): void {
    item.text += text;
    this.#pending += `${item.delta}${this.#sequence},"delta":${JSON.stringify(text)}}\n\n`;
    this.#sequence += 1;
  }

  #begin(kind: 'message' | 'reasoning'): OpenItem {
    this.#close('completed');
    const isMessage = kind === 'message';
    const id = this.#nextId(isMessage ? 'msg' : 'rs');
    const at = { item_id: id, output_index: this.#output.length, content_index: 0 };
    const delta = isMessage
      ? deltaHead('response.output_text.delta', { ...at, logprobs: [] })
      : deltaHead('response.reasoning_text.delta', at);
    this.#added(isMessage ? messageItem(id, undefined, 'in_progress') : reasoningItem(id, undefined, 'in_progress'));
    this.#event('response.content_part.added', { ...at, part: isMessage ? textPart('') : reasoningPart('') });
    this.#open = { kind, id, delta, text: '' };
    return this.#open;
  }

  #beginCall({ index, id, name }: ToolCallPart): OpenItem {
    this.#close('completed');
    const form = formOf(this.#decoded.forms, name ?? '');
    const itemId = this.#nextId(form.kind === 'custom' ? 'ctc' : 'fc');
    const call = { id: itemId, callId: id ?? this.#nextId('call'), form };
    const at = { item_id: itemId, output_index: this.#output.length };
    this.#added(callItem(call, '', 'in_progress'));
    const delta = deltaHead('response.function_call_arguments.delta', at);
    this.#open = { kind: 'call', index, call, delta, text: '' };
    return this.#open;
  }

  #added(item: object): void {
    this.#event('response.output_item.added', { output_index: this.#output.length, item });
  }

  #close(status: ItemStatus): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const item = open.kind === 'call' ? this.#closeCall(open, status) : this.#closeText(open, status);
    this.#event('response.output_item.done', { output_index: this.#output.length, item });
    this.#output.push(item);
  }

  #closeText({ kind, id, text }: Extract<OpenItem, { kind: 'message' | 'reasoning' }>, status: ItemStatus): object {
    const at = { item_id: id, output_index: this.#output.length, content_index: 0 };
    if (kind === 'message') {
      this.#event('response.output_text.done', { ...at, text, logprobs: [] });
      this.#event('response.content_part.done', { ...at, part: textPart(text) });
      return messageItem(id, text, status);
    }
    this.#event('response.reasoning_text.done', { ...at, text });
    this.#event('response.content_part.done', { ...at, part: reasoningPart(text) });
    return reasoningItem(id, text, status);
  }

  #closeCall({ call, text }: Extract<OpenItem, { kind: 'call' }>, status: ItemStatus): object {
    const at = { item_id: call.id, output_index: this.#output.length };
    if (call.form.kind === 'function') {
      this.#event('response.function_call_arguments.done', { ...at, name: call.form.name, arguments: text });
      return callItem(call, text, status);
    }
    const input = customInput(text);
    this.#event('response.custom_tool_call_input.delta', { ...at, delta: input });
    this.#event('response.custom_tool_call_input.done', { ...at, input });
    return callItem(call, input, status);
  }

  #create(): void {
    this.#created = true;
    this.#state('response.created', 'in_progress');
    this.#state('response.in_progress', 'in_progress');
  }

  #state(type: string, status: ResponseStatus, told: Told = {}): void {
    this.#event(type, {
      response: this.#objects.write({ status, model: this.#model, output: this.#output, ...told }),
    });
  }

  #event(type: string, fields: object): void {
    const json = JSON.stringify({ type, sequence_number: this.#sequence, ...fields });
    this.#pending += `event: ${type}\ndata: ${json}\n\n`;
    this.#sequence += 1;
  }

  #nextId(prefix: string): string {
    return `${prefix}_${this.#objects.stem}_${this.#output.length}`;
  }

  #take(): string {
    const pending = this.#pending;
    this.#pending = '';
    return pending;
  }
}

type Told = { readonly final?: EngineFinal; readonly error?: { readonly code: string; readonly message: string } };

/** A delta event up to its sequence number. */
const deltaHead = (type: string, fields: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields }).slice(0, -1)},"sequence_number":`;
