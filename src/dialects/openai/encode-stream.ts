import type { ReplyWriter } from '../codec.ts';
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
