import { encodeProgress } from '../../core/progress.ts';
import type { ReplyContext, ReplyWriter } from '../codec.ts';
import { encodeError } from './encode-error.ts';

/** Passes a stream through: the same for every request, because it keeps nothing. */
export const STREAM: ReplyWriter = {
  contentType: 'text/event-stream',
  heartbeat: () => ': ping\n\n',
  begin: () => '',
  events: (bytes) => bytes,
  end: (last) => last,
  failed: (error) => `data: ${JSON.stringify(encodeError(error))}\n\n`,
};

/**
 * The same for a client that asked to be told how far its request has come: a chunk without choices, such as the one with
 * the usage is, so that SDKs pass it on to whoever reads `x_router`.
 */
export const createTellingStream = (
  { requestId, receivedAtMs }: ReplyContext,
  object: 'chat.completion.chunk' | 'text_completion' = 'chat.completion.chunk',
): ReplyWriter => ({
  ...STREAM,
  heartbeat: (model, progress) => {
    if (progress === undefined) return STREAM.heartbeat(model);
    const chunk = {
      id: requestId,
      object,
      created: Math.floor(receivedAtMs / 1000),
      model: model ?? '',
      choices: [],
      x_router: { progress: encodeProgress(progress) },
    };
    return `data: ${JSON.stringify(chunk)}\n\n`;
  },
});
