import { z } from 'zod';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { RuntimeConnection } from '../../core/runtime.ts';
import type { EvalMessage } from '../../quality/item.ts';

/** A model's answer, thinking taken off. */
export type ItemAnswer = {
  readonly text: string;
  /** `stop`, `length`, …; undefined where the engine did not say. */
  readonly finishReason: string | undefined;
  readonly outputTokens: number | undefined;
};

/** What to ask and how long to wait. */
export type ItemQuestion = {
  readonly model: string;
  readonly messages: readonly EvalMessage[];
  readonly maxTokens: number;
  readonly timeoutMs: number;
};

const reply = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        message: z.looseObject({ content: z.string().nullish() }),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1),
  usage: z.looseObject({ completion_tokens: z.number().optional() }).optional(),
});

/**
 * Asks a child one question with greedy decoding and without thinking, and returns the whole answer.
 * Rejects with the signal's reason on abort, `timeout`, `runtime_rejected` with the child's words for a status other
 * than 200, `runtime_failed` for a reply of another form, and with the child's own error when it dies.
 */
export function askItem(
  connection: RuntimeConnection,
  question: ItemQuestion,
  deps: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<ItemAnswer> {
  const { clock, signal } = deps;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    let status = 0;
    const parts: Buffer[] = [];
    const settle = (act: () => void) => {
      cancelTimeout();
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onAbort = () => {
      exchange.abort();
      settle(() => reject(signal.reason));
    };
    const cancelTimeout = clock.after(question.timeoutMs, () => {
      exchange.abort();
      const message = `${question.model} did not answer a quality item within ${question.timeoutMs} ms`;
      settle(() => reject(new GatewayError('timeout', message)));
    });
    signal.addEventListener('abort', onAbort, { once: true });
    const exchange = connection.exchange('/v1/chat/completions', JSON.stringify(bodyOf(question)), {
      head: (given) => {
        status = given;
      },
      chunk: (bytes) => {
        parts.push(bytes);
        return true;
      },
      end: () =>
        settle(() => {
          try {
            resolve(readAnswer(question.model, status, Buffer.concat(parts).toString('utf8')));
          } catch (error) {
            reject(error);
          }
        }),
      failed: (error) => settle(() => reject(error)),
    });
  });
}

// The seed matters only to engines that sample in spite of temperature 0.
const bodyOf = ({ model, messages, maxTokens }: ItemQuestion) => ({
  model,
  messages,
  stream: false,
  max_tokens: maxTokens,
  temperature: 0,
  seed: 1,
  chat_template_kwargs: { enable_thinking: false },
});

function readAnswer(model: string, status: number, text: string): ItemAnswer {
  if (status !== 200) {
    throw new GatewayError(
      'runtime_rejected',
      `${model} refused a quality item: status ${status}: ${text.slice(0, 300)}`,
    );
  }
  const parsed = reply.safeParse(parseJson(text));
  const choice = parsed.data?.choices[0];
  if (choice === undefined) {
    throw new GatewayError('runtime_failed', `${model} answered a quality item with no chat completion`);
  }
  return {
    text: withoutThinking(choice.message.content ?? ''),
    finishReason: choice.finish_reason ?? undefined,
    outputTokens: parsed.data?.usage?.completion_tokens,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema then says that it is no completion.
    return undefined;
  }
}

const withoutThinking = (text: string): string => text.replace(/^\s*<think>[\s\S]*?(?:<\/think>|$)/, '').trim();
