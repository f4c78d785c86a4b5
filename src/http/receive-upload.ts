import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { readExpiry } from '../batch/batch-request.ts';
import type { Files, WrittenUpload } from '../batch/files.ts';
import { GatewayError, messageOf } from '../core/errors.ts';

/** What came beside the bytes of a file. */
export type UploadFields = {
  readonly filename: string;
  readonly purpose: string;
  /** From `expires_after[seconds]`; undefined = not asked for. */
  readonly lifeMs: number | undefined;
};

const FIELD_BYTES_MAX = 1_000;
const FIELDS_MAX = 20;
const FILENAME_MAX = 255;

/**
 * Reads a multipart upload with one `file`, whose bytes go to `files` as they come and are never held. Fields may stand
 * before or behind the file. Rejects with `invalid_request` naming the field, with what writing rejects with, or with
 * `cancelled` where the client leaves; nothing is left then.
 */
export async function receiveUpload(
  incoming: IncomingMessage,
  files: Pick<Files, 'write' | 'discard'>,
): Promise<{ readonly fields: UploadFields; readonly written: WrittenUpload }> {
  // Nothing more would be heard of a client that has left already.
  if (incoming.destroyed) throw left();
  const form = openForm(incoming);
  const fields = new Map<string, string>();
  let filename = '';
  let file: Readable | undefined;
  let writing: Promise<WrittenUpload> | undefined;
  const ended = new Promise<void>((resolve, reject) => {
    form.on('file', (name, stream, givenName) => {
      if (name !== 'file' || writing !== undefined) {
        stream.resume();
        return;
      }
      filename = givenName.slice(0, FILENAME_MAX);
      file = stream;
      writing = files.write(stream);
      // Heard below as well; here, so that a full disk ends the upload at once and not after 200 MB.
      writing.catch(reject);
    });
    form.on('field', (name, value) => void fields.set(name, value));
    form.on('finish', resolve);
    form.on('error', (error) => reject(invalid(`the upload cannot be read: ${messageOf(error)}`, undefined)));
    incoming.on('close', () => {
      if (!incoming.complete) reject(left());
    });
  });
  incoming.pipe(form);
  try {
    await ended;
    const read = readFields(fields, filename);
    if (writing === undefined) throw invalid('file is missing: send the file as a part named "file"', 'file');
    return { fields: read, written: await writing };
  } catch (error) {
    writing?.then(files.discard, () => undefined);
    incoming.unpipe(form);
    form.destroy();
    // The form does not end the file it was in the middle of: whoever writes it would wait for ever.
    file?.destroy(error instanceof Error ? error : undefined);
    // What is still coming is not read; the connection ends with the answer.
    incoming.pause();
    throw error;
  }
}

function openForm(incoming: IncomingMessage): BusboyInstance {
  const type = incoming.headers['content-type'] ?? '';
  if (!type.startsWith('multipart/form-data')) {
    throw invalid(`a file is sent as multipart/form-data, not ${JSON.stringify(type.slice(0, 80))}`, undefined);
  }
  try {
    return new Busboy({
      headers: incoming.headers as BusboyHeaders,
      limits: { files: 1, fields: FIELDS_MAX, fieldSize: FIELD_BYTES_MAX },
    });
  } catch (error) {
    throw invalid(`the upload cannot be read: ${messageOf(error)}`, undefined);
  }
}

function readFields(fields: ReadonlyMap<string, string>, filename: string): UploadFields {
  const purpose = fields.get('purpose');
  if (purpose !== 'batch') {
    const given = purpose === undefined ? 'is missing' : `is ${JSON.stringify(purpose.slice(0, 40))}`;
    throw invalid(`purpose must be "batch", which is all that files are for here; it ${given}`, 'purpose');
  }
  const seconds = fields.get('expires_after[seconds]');
  const anchor = fields.get('expires_after[anchor]');
  const lifeMs =
    seconds === undefined && anchor === undefined ? undefined : readExpiry(anchor, seconds, 'expires_after');
  return { purpose, filename: filename === '' ? 'upload.jsonl' : filename, lifeMs };
}

const left = (): GatewayError => new GatewayError('cancelled', 'the client left while sending');

const invalid = (message: string, param: string | undefined): GatewayError =>
  new GatewayError('invalid_request', message, param === undefined ? {} : { param });
