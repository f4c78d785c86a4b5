import { z } from 'zod';
import { GatewayError, messageOf } from '../../src/core/errors.ts';
import type { Exchange, ReplySink } from '../../src/core/runtime.ts';
import { createStreamEncoder, type RunFigures } from './chat/openai-encode.ts';
import type { ConnectionParts } from './connection.ts';
import { startWorkerExchange } from './exchange.ts';
import type { WorkerRequest } from './read-request.ts';

type ChatRequest = Extract<WorkerRequest, { kind: 'chat' }>;

/** What an answer must be: any JSON object, or one that fits a schema. */
export type JsonFormat = { readonly schema: unknown };

/** One more than the retries: three answers that are no JSON mean that this model cannot do it. */
const TRIES_MAX = 3;

/**
 * A chat whose answer must be JSON, for a model that the policy trusts with it (`capabilities.json_schema`): the library
 * has no grammar, so the model is told, its whole answer is checked, and asked again where it does not hold. Fails with
 * `runtime_failed` after three answers, so that another candidate may try. A stream gets the answer in one piece.
 */
export function startJsonExchange(
  parts: ConnectionParts,
  request: ChatRequest,
  format: JsonFormat,
  sink: ReplySink,
): Exchange {
  const validate = validatorOf(format);
  const asked = { ...request, stream: false, message: { ...request.message, messages: instructed(request, format) } };
  let running: Exchange;
  let aborted = false;
  const attempt = (number: number): void => {
    let text = '';
    running = startWorkerExchange(parts, asked, {
      head: () => undefined,
      chunk: (bytes) => {
        text += bytes.toString();
        return true;
      },
      end: () => {
        const reply = JSON.parse(text) as WholeReply;
        const fault = validate(reply.choices[0].message.content);
        if (fault === undefined) deliver(request, reply, text, sink);
        else if (number < TRIES_MAX && !aborted) attempt(number + 1);
        else
          sink.failed(
            new GatewayError('runtime_failed', `${parts.model.id} gave no JSON that fits in ${number} tries: ${fault}`),
          );
      },
      failed: (error) => sink.failed(error),
      ignored: (fields) => sink.ignored?.(fields),
    });
  };
  attempt(1);
  return {
    abort: () => {
      aborted = true;
      running.abort();
    },
    resume: () => running.resume(),
  };
}

/** What we read of our own whole reply. */
type WholeReply = {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly choices: readonly [
    { readonly message: { readonly content: string | null }; readonly finish_reason: 'stop' | 'length' | 'tool_calls' },
  ];
  readonly timings: { readonly [name: string]: number };
};

function deliver(request: ChatRequest, reply: WholeReply, text: string, sink: ReplySink): void {
  const [{ message, finish_reason: reason }] = reply.choices;
  if (!request.stream) {
    sink.head(200, 'application/json');
    sink.chunk(Buffer.from(text));
    sink.end();
    return;
  }
  const identity = { id: reply.id, createdSec: reply.created, model: reply.model };
  const encoder = createStreamEncoder(identity, { includeUsage: request.includeUsage });
  const content = encoder.deltas([{ kind: 'content', text: message.content ?? '' }]);
  sink.head(200, 'text/event-stream');
  sink.chunk(Buffer.from(encoder.start() + content + encoder.end({ reason, figures: figuresOf(reply) })));
  sink.end();
}

const figuresOf = ({ timings }: WholeReply): RunFigures => ({
  promptTokens: timings['prompt_n'] ?? 0,
  prefillMs: timings['prompt_ms'] ?? 0,
  cachedTokens: timings['cache_n'] ?? 0,
  outputTokens: timings['predicted_n'] ?? 0,
  decodeMs: timings['predicted_ms'] ?? 0,
});

/** The conversation with the wish at its front, in the system text where there is one. */
function instructed({ message }: ChatRequest, { schema }: JsonFormat): ChatRequest['message']['messages'] {
  const fits = schema === undefined ? '' : ` that fits this JSON schema: ${JSON.stringify(schema)}`;
  const wish = `Answer with one JSON object${fits}. Write nothing else: no explanation, no code fence.`;
  const [first, ...rest] = message.messages;
  if (first?.role === 'system') return [{ ...first, content: `${first.content}\n\n${wish}` }, ...rest];
  return [{ role: 'system', content: wish }, ...message.messages];
}

/** Says what is wrong with an answer, or nothing. Throws `invalid_request` for a schema that cannot be read. */
function validatorOf({ schema }: JsonFormat): (content: string | null) => string | undefined {
  const shape = schema === undefined ? z.looseObject({}) : readSchema(schema);
  return (content) => {
    let value: unknown;
    try {
      value = JSON.parse(content ?? '');
    } catch (error) {
      return messageOf(error);
    }
    const parsed = shape.safeParse(value);
    return parsed.success ? undefined : z.prettifyError(parsed.error).replaceAll('\n', ' ');
  };
}

function readSchema(schema: unknown): z.ZodType {
  try {
    return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
  } catch (cause) {
    throw new GatewayError('invalid_request', `the JSON schema cannot be read: ${messageOf(cause)}`, {
      cause,
      param: 'response_format',
    });
  }
}
