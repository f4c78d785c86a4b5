import type { GatewayError } from '../../core/errors.ts';
import type { ModelId } from '../../core/ids.ts';
import { encodeProgress, type Progress } from '../../core/progress.ts';
import type { ReplyContext, ReplyWriter } from '../codec.ts';
import type { WholeToolCall } from '../engine/read-reply.ts';
import { type EngineListener, EngineStreamReader, type ToolCallPart } from '../engine/read-stream.ts';
import { type ChunkParts, type Form, writeChunk } from './chunk.ts';
import { encodeOllamaError } from './encode-error.ts';
import { answerEnd } from './end-fields.ts';

const GOES_ON = '"done":false';

/**
 * Writes a stream of chunks, one JSON object a line. A tool's call goes out in one piece as soon as the next one begins
 * or the answer ends, because its arguments are an object here.
 */
export class OllamaStream implements ReplyWriter, EngineListener {
  readonly contentType = 'application/x-ndjson';
  readonly #form: Form;
  readonly #context: ReplyContext;
  readonly #ignored: readonly string[];
  readonly #reader = new EngineStreamReader(this);
  #model: ModelId | undefined;
  #out = '';
  /** Text that waits for its log probabilities, which the reader tells after it. */
  #waiting: ChunkParts | undefined;
  #call: { readonly index: number; id: string; name: string; arguments: string } | undefined;
  #calls: WholeToolCall[] = [];

  constructor(form: Form, context: ReplyContext, ignored: readonly string[]) {
    this.#form = form;
    this.#context = context;
    this.#ignored = ignored;
  }

  heartbeat(model: ModelId | undefined, progress?: Progress): string {
    // An empty line would be no JSON to a client; a chunk without text is what a slow model looks like.
    const told = progress === undefined ? '' : `,"x_router":${JSON.stringify({ progress: encodeProgress(progress) })}`;
    return this.#line({}, `${GOES_ON}${told}`, model);
  }

  begin(model: ModelId): string {
    this.#model = model;
    return '';
  }

  events(bytes: Buffer): string {
    this.#reader.push(bytes);
    return this.#take();
  }

  end(last: Buffer): string {
    this.#reader.push(last);
    this.#finishCall();
    const calls = this.#calls.length === 0 ? '' : this.#line({ toolCalls: this.#calls }, GOES_ON);
    const elapsedMs = this.#context.nowMs() - this.#context.receivedAtMs;
    const end = answerEnd(this.#reader.final, { elapsedMs, ignored: this.#ignored });
    return this.#take() + calls + this.#line({}, end);
  }

  failed(error: GatewayError): string {
    return `${encodeOllamaError(error).body}\n`;
  }

  text(text: string): void {
    this.#say({ text });
  }

  reasoning(thinking: string): void {
    this.#say({ thinking });
  }

  logprobs(logprobs: unknown): void {
    this.#waiting = { ...this.#waiting, logprobs };
  }

  toolCall(part: ToolCallPart): void {
    if (this.#call?.index !== part.index) this.#finishCall();
    this.#call ??= { index: part.index, id: '', name: '', arguments: '' };
    this.#call.id ||= part.id ?? '';
    this.#call.name ||= part.name ?? '';
    this.#call.arguments += part.arguments;
  }

  #say(parts: ChunkParts): void {
    this.#flush();
    this.#waiting = parts;
  }

  #flush(): void {
    if (this.#waiting !== undefined) this.#out += this.#line(this.#waiting, GOES_ON);
    this.#waiting = undefined;
  }

  #take(): string {
    this.#flush();
    const out = this.#out;
    this.#out = '';
    return out;
  }

  #finishCall(): void {
    if (this.#call !== undefined) this.#calls.push(this.#call);
    this.#call = undefined;
  }

  #line(parts: ChunkParts, end: string, model = this.#model): string {
    return `${writeChunk(this.#form, { model, atMs: this.#context.nowMs(), end }, parts)}\n`;
  }
}
