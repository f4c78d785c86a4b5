import { GatewayError } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import type { KeepPolicy } from '../core/policy.ts';
import type { ServeSink } from '../serve/job.ts';
import type { Answer } from './answer.ts';
import { toGatewayError } from './generation.ts';
import { findModel } from './models.ts';
import type { HttpParts } from './parts.ts';

/** A request that generates nothing: its model is loaded or unloaded. */
export type ResidencyOrder = {
  /** As the client wrote it. */
  readonly model: string;
  readonly want: 'load' | 'unload';
  readonly keep: KeepPolicy | undefined;
};

/** The model such a request names. Throws `model_not_found`, or `invalid_request` where it leaves the choice to us. */
export function modelToHold(name: string, parts: HttpParts): ModelId {
  if (name === 'auto' || name.startsWith('auto:')) {
    throw new GatewayError(
      'invalid_request',
      `name the model to load or unload; "${name.slice(0, 80)}" stands for none`,
      {
        param: 'model',
      },
    );
  }
  return findModel(name, parts).id;
}

/**
 * Loads or unloads a model and says so; a long load shows that it lives, as every answer does. A client that leaves ends
 * its wait, not a load that has begun.
 */
export async function holdModel(
  parts: HttpParts,
  { model, want, keep }: Omit<ResidencyOrder, 'model'> & { readonly model: ModelId },
  { answer, signal }: { readonly answer: Answer; readonly signal: AbortSignal },
): Promise<void> {
  try {
    if (want === 'unload') await parts.supervisor.unload(model);
    else {
      await parts.supervisor.load(model, signal);
      if (keep !== undefined) parts.supervisor.keep(model, keep);
    }
    if (signal.aborted) return;
    answer.head(model);
    answer.end(Buffer.alloc(0));
  } catch (error) {
    if (!signal.aborted) answer.failed(toGatewayError(parts, error));
  }
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
