import { forbiddenModel } from '../classify/client-rules.ts';
import type { ClientPolicy } from '../core/client-policy.ts';
import { GatewayError } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import type { DecodedGeneration } from '../dialects/codec.ts';
import type { ServeSink } from '../serve/job.ts';
import type { Answer } from './answer.ts';
import { findModel } from './models.ts';
import type { HttpParts } from './parts.ts';
import type { ReplyTarget } from './reply-target.ts';

/** A request that generates nothing, and its answer. */
export type ResidencyRequest = {
  readonly client: ClientPolicy | undefined;
  readonly decoded: DecodedGeneration;
  readonly answer: Answer;
  readonly outgoing: ReplyTarget;
  /** Counts the client's request out again. */
  readonly leave: () => void;
};

/**
 * Loads or unloads the model a request names, where it asks for nothing else. A long load shows that it lives, as every
 * answer does. A client that leaves ends its wait, not a load that has begun. Rejects with what no client is to be told.
 */
export async function answerResidency(parts: HttpParts, request: ResidencyRequest): Promise<void> {
  const { client, decoded, answer, outgoing, leave } = request;
  const abort = new AbortController();
  outgoing.once('close', () => {
    abort.abort(new GatewayError('cancelled', 'the client left'));
    answer.close();
    leave();
  });
  try {
    const id = modelToHold(decoded.facts.model, parts, client);
    if (decoded.residency === 'unload') await parts.supervisor.unload(id);
    else {
      await parts.supervisor.load(id, abort.signal);
      if (decoded.keep !== undefined) parts.supervisor.keep(id, decoded.keep);
    }
    answer.head(id);
    answer.end(Buffer.alloc(0));
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    answer.failed(error);
  }
}

/**
 * The model that a client wants loaded or unloaded. Throws `model_not_found`, `forbidden` where it is not open to the
 * client, or `invalid_request` for `auto`: without a request there is nothing to choose by.
 */
export function modelToHold(name: string, parts: HttpParts, client: ClientPolicy | undefined): ModelId {
  if (name === 'auto' || name.startsWith('auto:')) {
    const message = `name the model to load or unload; "${name.slice(0, 80)}" stands for none`;
    throw new GatewayError('invalid_request', message, { param: 'model' });
  }
  const { id } = findModel(name, parts);
  const forbidden = forbiddenModel(id, client);
  if (forbidden === undefined) return id;
  throw new GatewayError(forbidden.code, forbidden.message, { param: forbidden.param });
}

/** A sink that has whatever model answers kept as the client wishes; from its first byte on, while it surely runs. */
export function keepingSink(sink: ServeSink, keep: (model: ModelId) => void): ServeSink {
  return {
    moved: (model) => sink.moved(model),
    head: (model, contentType) => {
      keep(model);
      sink.head(model, contentType);
    },
    chunk: (bytes) => sink.chunk(bytes),
    end: (last) => sink.end(last),
    failed: (error) => sink.failed(error),
  };
}
