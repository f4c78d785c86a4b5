import { GatewayError } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import type { ModelId } from '../core/ids.ts';
import type { Exchange, ReplySink, RuntimeConnection } from '../core/runtime.ts';
import { createLoopWatch, type RunningLoop } from '../quality/loop-watch.ts';
import type { ServeJob } from './job.ts';
import { createReplyTexts } from './reply-texts.ts';

/** What a model's guarded answers came to lately. */
export type LoopShare = { readonly stopped: number; readonly answers: number };

/** Stops generations that repeat themselves, where the policy says so. */
export interface LoopGuard {
  /** True where `gateway.stream_guard` is `stop`. */
  isOn(): boolean;
  /** Told of every guarded answer; says once when a model's share of loops passes 5 %. */
  count(asked: Pick<GuardedRequest, 'job' | 'model'>, loop: RunningLoop | undefined): void;
  /** Of the last 100 guarded answers of a model; undefined where there was none. */
  shareOf(model: ModelId): LoopShare | undefined;
}

/** One request as it goes to an engine, and who takes the reply. */
export type GuardedRequest = {
  readonly job: Pick<ServeJob, 'requestId' | 'path' | 'bodyFor'>;
  readonly model: ModelId;
  readonly sink: ReplySink;
};

/** As for quarantine, see `route/quality.ts`. */
const SHARE_MAX = 0.05;
/** Below so many answers one loop proves nothing. */
const ANSWERS_MIN = 20;
const ANSWERS_KEPT = 100;

/** A guard for all requests of a gateway. */
export function createLoopGuard({ isOn, emit }: { readonly isOn: () => boolean; readonly emit: EmitEvent }): LoopGuard {
  // Newest last; true = looped.
  const answers = new Map<ModelId, boolean[]>();
  const shareOf = (model: ModelId): LoopShare | undefined => {
    const known = answers.get(model);
    return known && { stopped: known.filter(Boolean).length, answers: known.length };
  };
  const isTooMany = (share: LoopShare | undefined): boolean =>
    share !== undefined && share.answers >= ANSWERS_MIN && share.stopped > share.answers * SHARE_MAX;
  return {
    isOn,
    shareOf,
    count: ({ job, model }, loop) => {
      const wasTooMany = isTooMany(shareOf(model));
      const known = answers.get(model) ?? [];
      known.push(loop !== undefined);
      answers.set(model, known.slice(-ANSWERS_KEPT));
      if (loop === undefined) return;
      emit({ kind: 'request.looped', requestId: job.requestId, model, ...loop });
      const share = shareOf(model);
      if (wasTooMany || share === undefined || !isTooMany(share)) return;
      const message = `${share.stopped} of the last ${share.answers} answers of ${model} repeated themselves; run "sluice bench ${model} --quality", which keeps a broken model from being chosen`;
      emit({ kind: 'gateway.notice', level: 'warn', message });
    },
  };
}

/**
 * Sends a request to its engine, guarded where the guard is on and the request is a generation. A stream whose text
 * begins to loop is broken off: the engine is stopped and the sink gets `failed` with `degenerate_output`, as it does for
 * a whole reply that ends in a loop.
 */
export function openExchange(
  guard: LoopGuard | undefined,
  connection: Pick<RuntimeConnection, 'exchange'>,
  asked: GuardedRequest,
): Exchange {
  const { job, model, sink } = asked;
  const body = job.bodyFor(model);
  const isGuarded = guard?.isOn() === true && job.path.includes('completion');
  if (!isGuarded) return connection.exchange(job.path, body, sink);
  const guarded = new GuardedSink(guard, asked);
  const exchange = connection.exchange(job.path, body, guarded);
  guarded.stop = () => exchange.abort();
  return exchange;
}

class GuardedSink implements ReplySink {
  readonly #guard: LoopGuard;
  readonly #asked: GuardedRequest;
  readonly #sink: ReplySink;
  readonly #texts = createReplyTexts();
  readonly #watch = createLoopWatch();
  /** Parts of a reply that is no stream: only its end is looked at, so that it can be tried elsewhere. */
  #whole: Buffer[] | undefined;
  #isAnswer = false;
  #isOver = false;
  stop: () => void = () => undefined;

  constructor(guard: LoopGuard, asked: GuardedRequest) {
    this.#guard = guard;
    this.#asked = asked;
    this.#sink = asked.sink;
  }

  head(status: number, contentType: string): void {
    this.#isAnswer = status === 200;
    this.#whole = contentType.startsWith('text/event-stream') ? undefined : [];
    this.#sink.head(status, contentType);
  }

  ignored(fields: readonly string[]): void {
    this.#sink.ignored?.(fields);
  }

  chunk(bytes: Buffer): boolean {
    if (this.#isOver) return true;
    if (this.#isAnswer && this.#whole === undefined) {
      const loop = this.#watch.push(this.#texts.push(bytes));
      if (loop !== undefined) {
        this.stop();
        this.#fail(loop);
        return true;
      }
    } else {
      this.#whole?.push(bytes);
    }
    return this.#sink.chunk(bytes);
  }

  end(): void {
    if (this.#isOver) return;
    if (this.#whole !== undefined) this.#watch.push(this.#texts.push(Buffer.concat(this.#whole)));
    const loop = this.#isAnswer && this.#whole !== undefined ? this.#watch.look() : undefined;
    if (loop !== undefined) {
      this.#fail(loop);
      return;
    }
    this.#isOver = true;
    if (this.#isAnswer) this.#guard.count(this.#asked, undefined);
    this.#sink.end();
  }

  failed(error: GatewayError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#sink.failed(error);
  }

  #fail(loop: RunningLoop): void {
    this.#isOver = true;
    const { model } = this.#asked;
    this.#guard.count(this.#asked, loop);
    const seen = `the last ${loop.chars} characters repeat ${loop.periodChars}`;
    const remedy = 'ask again with other words or a repetition penalty, or set gateway.stream_guard to off';
    this.#sink.failed(new GatewayError('degenerate_output', `${model} began to repeat itself: ${seen}; ${remedy}`));
  }
}
