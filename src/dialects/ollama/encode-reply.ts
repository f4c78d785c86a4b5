import type { GatewayError } from '../../core/errors.ts';
import type { ModelId } from '../../core/ids.ts';
import type { ReplyContext, ReplyWriter } from '../codec.ts';
import { readEngineReply } from '../engine/read-reply.ts';
import { type Form, writeChunk } from './chunk.ts';
import { encodeOllamaError } from './encode-error.ts';
import { answerEnd, residencyEnd } from './end-fields.ts';

/** Writes an answer in one object. */
export class OllamaReply implements ReplyWriter {
  readonly contentType = 'application/json; charset=utf-8';
  readonly #form: Form;
  readonly #context: ReplyContext;
  readonly #ignored: readonly string[];
  #model: ModelId | undefined;

  constructor(form: Form, context: ReplyContext, ignored: readonly string[]) {
    this.#form = form;
    this.#context = context;
    this.#ignored = ignored;
  }

  heartbeat(): string {
    return ' ';
  }

  begin(model: ModelId): string {
    this.#model = model;
    return '';
  }

  events(): string {
    return '';
  }

  end(last: Buffer): string {
    const { text, reasoning, toolCalls, logprobs, final } = readEngineReply(last);
    const atMs = this.#context.nowMs();
    const end = answerEnd(final, { elapsedMs: atMs - this.#context.receivedAtMs, ignored: this.#ignored });
    const calls = toolCalls.length === 0 ? {} : { toolCalls };
    return writeChunk(this.#form, { model: this.#model, atMs, end }, { text, thinking: reasoning, ...calls, logprobs });
  }

  failed(error: GatewayError): string {
    return encodeOllamaError(error).body;
  }
}

/** Says that a model has been loaded or unloaded: the only chunk of such an answer, whether or not it is a stream. */
export function residencyWriter(
  form: Form,
  { reason, stream }: { readonly reason: 'load' | 'unload'; readonly stream: boolean },
  context: ReplyContext,
): ReplyWriter {
  let model: ModelId | undefined;
  const close = stream ? '\n' : '';
  const write = (end: string, who: ModelId | undefined) =>
    `${writeChunk(form, { model: who, atMs: context.nowMs(), end }, {})}${close}`;
  return {
    contentType: stream ? 'application/x-ndjson' : 'application/json; charset=utf-8',
    heartbeat: (who) => (stream ? write('"done":false', who) : ' '),
    begin: (who) => {
      model = who;
      return '';
    },
    events: () => '',
    end: () => write(residencyEnd(reason, context.nowMs() - context.receivedAtMs), model),
    failed: (error) => `${encodeOllamaError(error).body}${close}`,
  };
}
