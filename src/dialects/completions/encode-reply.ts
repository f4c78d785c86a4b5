import type { ReplyWriter } from '../codec.ts';
import { WHOLE_REPLY } from '../openai/encode-reply.ts';
import { completionError } from './encode-error.ts';

/** Passes a whole reply through. */
export const WHOLE_COMPLETION: ReplyWriter = {
  ...WHOLE_REPLY,
  failed: (error) => JSON.stringify(completionError(error)),
};
