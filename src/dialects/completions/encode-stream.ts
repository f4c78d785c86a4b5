import type { ReplyWriter } from '../codec.ts';
import { STREAM } from '../openai/encode-stream.ts';
import { completionError } from './encode-error.ts';

/** Passes a stream through: the same for every request, because it keeps nothing. */
export const COMPLETION_STREAM: ReplyWriter = {
  ...STREAM,
  failed: (error) => `data: ${JSON.stringify(completionError(error))}\n\n`,
};
