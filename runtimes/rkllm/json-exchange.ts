import { GatewayError } from '../../src/core/errors.ts';
import type { Exchange, ReplySink } from '../../src/core/runtime.ts';
import { createStreamEncoder, type RunFigures } from './chat/openai-encode.ts';
import { type AnswerCheck, createAnswerCheck } from './check-answer.ts';
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
  const faultOf = createAnswerCheck(format.schema);
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
        const fault = judge(faultOf, reply.choices[0].message.content);
        if (fault === undefined) deliver(request, reply, text, sink);
        else if (fault instanceof GatewayError) sink.failed(fault);
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

/** What is wrong with the answer, or an error where the schema itself turns out to be no good: then no answer helps. */
function judge(faultOf: AnswerCheck, answer: string | null): string | GatewayError | undefined {
  try {
    return faultOf(answer);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
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
