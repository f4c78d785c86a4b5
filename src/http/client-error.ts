import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { GatewayError } from '../core/errors.ts';
import { errorLanguage } from './error-language.ts';
import { statusOf } from './error-status.ts';

/** What Node reports of a request that it could not read, with the bytes where it has them. */
type ClientError = Error & { readonly code?: string; readonly rawPacket?: Buffer };

/**
 * Answers a client whose request never became one: headers too large, not HTTP, or not complete in time. In the client's
 * own language where the request line has been seen, in OpenAI's otherwise; then the connection is closed. For the
 * server's `clientError`.
 */
export function answerClientError(thrown: Error, socket: Duplex): void {
  const error = thrown as ClientError;
  // Nobody is there, or something else is being said on this connection.
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) {
    socket.destroy();
    return;
  }
  const fault = faultOf(error);
  const { status, body } = errorLanguage(pathOf(error.rawPacket))(fault);
  const code = status ?? statusOf(fault);
  const head = [
    `HTTP/1.1 ${code} ${REASONS[code] ?? 'Error'}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
};

function faultOf({ code, message }: ClientError): GatewayError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return refused(431, 'the request headers are larger than 16 kB; send fewer or shorter ones');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return refused(413, 'the chunk extensions of the body are too large; send none');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return refused(408, 'the request did not arrive in time; send headers and body without pauses');
    default:
      return refused(400, `the request is not HTTP/1.1 as it should be: ${message}`);
  }
}

const refused = (status: number, message: string): GatewayError =>
  new GatewayError('invalid_request', message, { status });

/** Node keeps the answer under way on its socket, and looks there itself where nobody listens for `clientError`. */
const isAnswering = (socket: Duplex): boolean =>
  (socket as { _httpMessage?: ServerResponse | null })._httpMessage?.headersSent === true;

function pathOf(rawPacket: Buffer | undefined): string {
  const line = rawPacket?.subarray(0, 1024).toString('latin1') ?? '';
  return /^[A-Z]+ (\/[^\s?]*)/.exec(line)?.[1] ?? '/';
}
