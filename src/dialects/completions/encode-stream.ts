import type { ReplyContext, ReplyWriter } from '../codec.ts';
import { createTellingStream, STREAM } from '../openai/encode-stream.ts';
import { completionError } from './encode-error.ts';

/** Passes a stream through: the same for every request, because it keeps nothing. */
export const COMPLETION_STREAM: ReplyWriter = {
  ...STREAM,
  failed: (error) => `data: ${JSON.stringify(completionError(error))}\n\n`,
};

/** The same for a client that asked to be told how far its request has come. */
export const createTellingCompletion = (context: ReplyContext): ReplyWriter => ({
  ...COMPLETION_STREAM,
  heartbeat: createTellingStream(context, 'text_completion').heartbeat,
});
