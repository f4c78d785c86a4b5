import type { EngineFinal } from './final.ts';
import { readFinal } from './final.ts';

/** Part of a tool call as engines stream it: id and name come once, the arguments' JSON text in pieces. */
export type ToolCallPart = {
  /** Which of the answer's calls it belongs to. */
  readonly index: number;
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly arguments: string;
};

/** Receives an engine's stream in the order it was written. */
export interface EngineListener {
  text(text: string): void;
  reasoning(text: string): void;
  toolCall(part: ToolCallPart): void;
  /** Log probabilities of the tokens just told, as the engine writes them; absent where nobody reads them. */
  logprobs?(value: unknown): void;
}

type Chunk = {
  readonly choices?: readonly {
    readonly delta?: {
      readonly content?: unknown;
      readonly reasoning_content?: unknown;
      readonly tool_calls?: readonly ToolCallDelta[] | null;
    };
    /** Where a completion of a raw prompt has its text. */
    readonly text?: unknown;
    readonly finish_reason?: unknown;
    readonly logprobs?: unknown;
  }[];
  readonly usage?: unknown;
  readonly timings?: unknown;
  readonly x_router?: unknown;
  readonly __verbose?: unknown;
};

type ToolCallDelta = {
  readonly index?: unknown;
  readonly id?: unknown;
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown } | null;
};

const DATA = 'data: ';

/** Reads one engine's stream of chat completion chunks: the first choice, which is all that other languages have. */
export class EngineStreamReader {
  readonly #listener: EngineListener;
  #final: EngineFinal = readFinal({});

  constructor(listener: EngineListener) {
    this.#listener = listener;
  }

  /**
   * Takes whole SSE events. Comments, `[DONE]` and events that are not JSON are passed over: an engine's own keep-alive
   * is nobody's business, and what it got wrong ends the stream elsewhere.
   */
  push(bytes: Buffer): void {
    const text = bytes.toString('utf8');
    let at = text.startsWith(DATA) ? 0 : nextData(text, 0);
    while (at !== -1) {
      const start = at + DATA.length;
      const newline = text.indexOf('\n', start);
      const end = newline === -1 ? text.length : newline;
      if (text.charCodeAt(start) === OPENING_BRACE) this.#event(text.slice(start, end));
      at = nextData(text, end);
    }
  }

  /** What the engine has said at the end so far; complete after the last event. */
  get final(): EngineFinal {
    return this.#final;
  }

  #event(json: string): void {
    const chunk = parse(json);
    if (chunk === undefined) return;
    const choice = chunk.choices?.[0];
    const delta = choice?.delta;
    if (typeof delta?.reasoning_content === 'string' && delta.reasoning_content !== '')
      this.#listener.reasoning(delta.reasoning_content);
    const said = delta?.content ?? choice?.text;
    if (typeof said === 'string' && said !== '') this.#listener.text(said);
    if (Array.isArray(delta?.tool_calls)) this.#toolCalls(delta.tool_calls);
    if (choice?.logprobs) this.#listener.logprobs?.(choice.logprobs);
    if (choice?.finish_reason || chunk.usage || chunk.timings || chunk.x_router) {
      this.#final = readFinal({ ...chunk, finishReason: choice?.finish_reason }, this.#final);
    }
  }

  #toolCalls(calls: readonly ToolCallDelta[]): void {
    for (const call of calls) {
      const { name, arguments: text } = call.function ?? {};
      this.#listener.toolCall({
        index: typeof call.index === 'number' ? call.index : 0,
        id: nonEmpty(call.id),
        name: nonEmpty(name),
        arguments: typeof text === 'string' ? text : '',
      });
    }
  }
}

const OPENING_BRACE = 0x7b;

function nextData(text: string, from: number): number {
  const at = text.indexOf(`\n${DATA}`, from);
  return at === -1 ? -1 : at + 1;
}

function parse(json: string): Chunk | undefined {
  try {
    return JSON.parse(json) as Chunk;
  } catch {
    return undefined;
  }
}

const nonEmpty = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
