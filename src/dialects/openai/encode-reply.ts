import type { ReplyWriter } from '../codec.ts';
import { encodeError } from './encode-error.ts';

/** Passes a whole reply through. White space is what JSON allows in front of it. */
export const WHOLE_REPLY: ReplyWriter = {
  contentType: 'application/json; charset=utf-8',
  heartbeat: () => ' ',
  begin: () => '',
  events: (bytes) => bytes,
  end: (last) => last,
  failed: (error) => JSON.stringify(encodeError(error)),
};
