import { type EngineFinal, readFinal } from './final.ts';

/** A whole chat completion, first choice. */
export type EngineReply = {
  /** Empty where the model only called tools. */
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly WholeToolCall[];
  /** As the engine wrote them; undefined where none were asked for. */
  readonly logprobs: unknown;
  readonly final: EngineFinal;
};

/** A call as the model made it; the arguments are JSON text, which a model can get wrong. */
export type WholeToolCall = { readonly id: string; readonly name: string; readonly arguments: string };

type Reply = {
  readonly choices?: readonly {
    readonly message?: {
      readonly content?: unknown;
      readonly reasoning_content?: unknown;
      readonly tool_calls?: readonly {
        readonly id?: unknown;
        readonly function?: { readonly name?: unknown; readonly arguments?: unknown };
      }[];
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

/** Reads a whole reply of an engine. Throws a SyntaxError where it is not JSON, which an engine's 200 never is. */
export function readEngineReply(bytes: Buffer): EngineReply {
  const reply = JSON.parse(bytes.toString('utf8')) as Reply;
  const choice = reply.choices?.[0];
  const message = choice?.message;
  return {
    text: text(message?.content ?? choice?.text),
    reasoning: text(message?.reasoning_content),
    toolCalls: (message?.tool_calls ?? []).map((call) => ({
      id: text(call.id),
      name: text(call.function?.name),
      arguments: text(call.function?.arguments),
    })),
    logprobs: choice?.logprobs ?? undefined,
    final: readFinal({ ...reply, finishReason: choice?.finish_reason }),
  };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
