import type { BatchUsage } from '../../core/batch.ts';
import { messageOf } from '../../core/errors.ts';
import type { ModelId } from '../../core/ids.ts';
import { EngineStreamReader } from '../../dialects/engine/read-stream.ts';

// An answer that was interrupted goes on where it was: the engine is given the conversation with the part that is there as
// the beginning of the assistant's turn, which llama-server continues. The keys and values of it are still in the child's
// slot, or come back with the slot that was saved when the child had to go; else they are computed again.

type Body = Readonly<Record<string, unknown>>;

/** What is there of an answer. */
export type Partial = {
  readonly model: ModelId;
  readonly text: string;
  /** Output tokens it has, counted by the pieces the engine sent. */
  readonly tokens: number;
};

/** Fields under which an answer cannot simply be continued: grammars, calls, probabilities and stop words span the seam. */
const SEAM_FIELDS = ['tools', 'functions', 'response_format', 'json_schema', 'grammar', 'logprobs', 'n_probs', 'stop'];

/** True for a chat whose answer is plain text that can be continued at any token. */
export function isResumable(body: Body): boolean {
  const messages = body['messages'];
  const last: unknown = Array.isArray(messages) ? messages.at(-1) : undefined;
  const role = typeof last === 'object' && last !== null ? (last as Body)['role'] : undefined;
  const n = body['n'];
  if (role !== 'user' || (typeof n === 'number' && n !== 1)) return false;
  return SEAM_FIELDS.every((field) => isAbsent(body[field]) || isPlainText(body[field]));
}

const isAbsent = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  value === 0 ||
  (Array.isArray(value) && value.length === 0);
const isPlainText = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && (value as Body)['type'] === 'text';

/** The body of a chat as a stream, from `partial` on where there is one. */
export function resumingBody(body: Body, model: ModelId, partial: Partial | undefined): string {
  const streamed = { ...body, model, stream: true, stream_options: { include_usage: true } };
  if (partial === undefined) return JSON.stringify(streamed);
  const messages = [...(body['messages'] as unknown[]), { role: 'assistant', content: partial.text }];
  return JSON.stringify({ ...streamed, ...boundLeft(body, partial.tokens), messages });
}

function boundLeft(body: Body, tokens: number): Body {
  const name = ['max_completion_tokens', 'max_tokens', 'n_predict'].find((field) => typeof body[field] === 'number');
  const bound = name === undefined ? undefined : (body[name] as number);
  return name === undefined || bound === undefined || bound < 0 ? {} : { [name]: Math.max(1, bound - tokens) };
}

/** Reads a partial answer as it was kept; undefined where there is none, or one of another model. */
export function readPartial(kept: string | undefined, model: ModelId): Partial | undefined {
  if (kept === undefined) return undefined;
  const partial = JSON.parse(kept) as Partial;
  return partial.model === model ? partial : undefined;
}

/** A reply as it goes into the results, and engine time in it that had been spent before, ms. */
export type WholeReply = { readonly body: string; readonly usage: BatchUsage; readonly lostMs: number };

/** Puts a chat completion together from a stream and what was there before it. */
export class ReplyAssembler {
  readonly #reader: EngineStreamReader;
  readonly #before: Partial | undefined;
  #text = '';
  #reasoning = '';
  #pieces = 0;

  constructor(before: Partial | undefined) {
    this.#before = before;
    this.#reader = new EngineStreamReader({
      text: (text) => {
        this.#text += text;
        this.#pieces += 1;
      },
      reasoning: (text) => {
        this.#reasoning += text;
        this.#pieces += 1;
      },
      toolCall: () => undefined,
    });
  }

  push(bytes: Buffer): void {
    this.#reader.push(bytes);
  }

  /** What there is so far; undefined before the first text, and where the model thinks, which is not continued. */
  partial(model: ModelId): Partial | undefined {
    const text = (this.#before?.text ?? '') + this.#text;
    if (text === '' || this.#reasoning !== '') return undefined;
    return { model, text, tokens: (this.#before?.tokens ?? 0) + this.#pieces };
  }

  /** The whole answer as an engine would have written it in one piece; throws where the stream was none. */
  reply(id: string, model: ModelId, createdS: number): WholeReply {
    const { final } = this.#reader;
    if (final.finishReason === undefined) throw new Error(`${model} ended its answer without a finish reason`);
    const before = this.#before?.tokens ?? 0;
    const promptTokens = Math.max(0, (final.promptTokens ?? 0) - before);
    const outputTokens = (final.outputTokens ?? this.#pieces) + before;
    const cachedTokens = Math.min(final.cachedTokens ?? 0, promptTokens);
    const message = {
      role: 'assistant',
      content: (this.#before?.text ?? '') + this.#text,
      ...(this.#reasoning !== '' && { reasoning_content: this.#reasoning }),
    };
    const body = JSON.stringify({
      id: `chatcmpl-${id}`,
      object: 'chat.completion',
      created: createdS,
      model,
      choices: [{ index: 0, message, finish_reason: final.finishReason }],
      usage: {
        prompt_tokens: promptTokens,
        completion_tokens: outputTokens,
        total_tokens: promptTokens + outputTokens,
        prompt_tokens_details: { cached_tokens: cachedTokens },
      },
      x_router: this.#before === undefined ? final.xRouter : { ...final.xRouter, resumed_after_tokens: before },
    });
    const reasoningTokens = final.reasoningTokens ?? 0;
    // Whatever of the prompt had to be read again was read before.
    const lostMs = this.#before === undefined ? 0 : (final.prefillMs ?? 0);
    return { body, usage: { inputTokens: promptTokens, cachedTokens, outputTokens, reasoningTokens }, lostMs };
  }
}

/** A body of one line of the input file; throws what is wrong with it. */
export function bodyOf(line: Buffer): Body {
  try {
    return (JSON.parse(line.toString('utf8')) as { readonly body: Body }).body;
  } catch (error) {
    throw new Error(`the line can no longer be read: ${messageOf(error)}`);
  }
}
