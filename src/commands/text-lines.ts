import { GatewayError } from '../core/errors.ts';

/**
 * The lines of UTF-8 text that comes in pieces, without their ends; a last line needs none. Lines end at a newline only
 * (with the carriage return before it), since JSON may hold every other separator. Throws `usage` naming the line near
 * which the text is no UTF-8. `name` says what is read.
 */
export async function* textLines(name: string, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  // Strips a byte order mark as well.
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  let count = 0;
  const decode = (piece?: Uint8Array): string => {
    try {
      return decoder.decode(piece, { stream: piece !== undefined });
    } catch {
      const remedy = 'convert it first, e.g. with "iconv -f latin1 -t utf-8"';
      throw new GatewayError('usage', `${name} is not UTF-8 text, near line ${count + 1}: ${remedy}`);
    }
  };
  const take = (line: string): string => {
    count += 1;
    return line.endsWith('\r') ? line.slice(0, -1) : line;
  };
  for await (const piece of pieces) {
    const [first = '', ...more] = decode(piece).split('\n');
    rest += first;
    for (const next of more) {
      yield take(rest);
      rest = next;
    }
  }
  rest += decode();
  if (rest !== '') yield take(rest);
}
