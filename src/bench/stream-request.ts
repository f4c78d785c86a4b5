import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { RuntimeConnection } from '../core/runtime.ts';
import { type EngineEnd, readEnd } from '../dialects/openai/engine-end.ts';

/** What one streamed request showed. Times are ms after it was sent, on the monotonic clock. */
export type StreamedRequest = {
  readonly firstMs: number | undefined;
  readonly lastMs: number | undefined;
  readonly endMs: number;
  /** The engine's own counts and timings. */
  readonly end: EngineEnd;
};

/** What to ask and how long to wait. */
export type StreamQuestion = {
  readonly model: string;
  readonly text: string;
  readonly outputTokens: number;
  readonly timeoutMs: number;
  /** Called once when the first content part has come. */
  readonly onFirst?: () => void;
};

/**
 * Sends one chat request and times its parts. The prompt cache is off and the end token is ignored, so that every
 * request does the work it asks for.
 * Rejects with the signal's reason on abort, `timeout` after `timeoutMs`, `runtime_rejected` on a status other than 200,
 * and with the child's own error when it dies.
 */
export function streamRequest(
  connection: RuntimeConnection,
  question: StreamQuestion,
  deps: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<StreamedRequest> {
  const { clock, signal } = deps;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const reply = createReply();
    const sentMs = clock.monotonicMs();
    const sinceSent = () => clock.monotonicMs() - sentMs;

    const finish = () => {
      cancelTimeout();
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (reason: unknown) => {
      finish();
      reject(reason);
    };
    const onAbort = () => {
      exchange.abort();
      fail(signal.reason);
    };
    const cancelTimeout = clock.after(question.timeoutMs, () => {
      exchange.abort();
      fail(new GatewayError('timeout', `${question.model} did not answer within ${question.timeoutMs} ms`));
    });
    signal.addEventListener('abort', onAbort, { once: true });

    const exchange = connection.exchange('/v1/chat/completions', JSON.stringify(bodyOf(question)), {
      head: (status) => reply.head(status),
      chunk: (bytes) => {
        if (reply.take(bytes, sinceSent())) question.onFirst?.();
        return true;
      },
      end: () => {
        const endMs = sinceSent();
        finish();
        const refusal = reply.refusal();
        if (refusal === undefined) resolve({ ...reply.times(), endMs, end: readEnd(reply.text()) });
        else reject(new GatewayError('runtime_rejected', `${question.model} refused a benchmark request: ${refusal}`));
      },
      failed: fail,
    });
  });
}

const bodyOf = (question: StreamQuestion) => ({
  model: question.model,
  messages: [{ role: 'user', content: question.text }],
  stream: true,
  max_tokens: question.outputTokens,
  temperature: 0,
  cache_prompt: false,
  ignore_eos: true,
});

/** Collects a reply and notes when its content parts came. */
function createReply() {
  let status = 0;
  let text = '';
  let read = 0;
  let firstMs: number | undefined;
  let lastMs: number | undefined;
  return {
    head: (given: number) => {
      status = given;
    },
    /** True when these bytes hold the first content part. */
    take: (bytes: Buffer, atMs: number): boolean => {
      // A character may be cut in two here; only the ASCII markers and numbers are read, so that does no harm.
      text += bytes.toString('utf8');
      const end = text.lastIndexOf('\n\n');
      if (end < read) return false;
      const hasContent = CONTENT.test(text.slice(read, end));
      const isFirst = hasContent && firstMs === undefined;
      if (hasContent) {
        firstMs ??= atMs;
        lastMs = atMs;
      }
      read = end + 2;
      return isFirst;
    },
    times: () => ({ firstMs, lastMs }),
    text: () => text,
    refusal: () => (status === 200 ? undefined : `status ${status}: ${text.slice(0, 500)}`),
  };
}

// A content or reasoning part that is not empty; the role-only first chunk has `"content":null` or an empty one.
const CONTENT = /"(?:reasoning_)?content":"[^"]/;
