/** Most characters of one Discord message. */
export const MESSAGE_CHARS_MAX = 2000;

const FENCE_END = '\n```';
/** The line that opens a code block is repeated in the next message, so an absurdly long one is cut. */
const FENCE_LINE_CHARS_MAX = 40;

/**
 * Cuts an answer into messages of at most `charsMax` characters (UTF-16 units), at the end of a paragraph if there is one
 * in the later half, else of a line, else of a word. A code block that is cut is closed in one message and opened again in
 * the next; one that is still open at the end is closed, so that half an answer already looks right. Messages without
 * anything visible are left out, because Discord refuses them. While an answer grows, only its last message changes.
 */
export function splitMessage(text: string, charsMax = MESSAGE_CHARS_MAX): string[] {
  const messages: string[] = [];
  let rest = text;
  let opening = '';
  while (rest.length > 0) {
    const whole = opening + rest;
    const fence = openFence(whole);
    if (whole.length + (fence === undefined ? 0 : FENCE_END.length) <= charsMax) {
      messages.push(fence === undefined ? whole : whole + FENCE_END);
      break;
    }
    const piece = cutPiece(opening, rest, charsMax);
    messages.push(piece.message);
    ({ rest, opening } = piece);
  }
  return messages.filter((message) => message.trim() !== '');
}

type Piece = { readonly message: string; readonly rest: string; readonly opening: string };

function cutPiece(opening: string, text: string, charsMax: number): Piece {
  // Room is kept for the end of a code block, whether or not this message turns out to need it.
  const cut = beforeBareFence(text, findCut(text, charsMax - opening.length - FENCE_END.length));
  const message = opening + text.slice(0, cut);
  const fence = openFence(message);
  const rest = text.slice(cut);
  if (fence === undefined) return { message, rest: rest.trimStart(), opening: '' };
  const closed = `${message.trimEnd()}${FENCE_END}`;
  // Where only the end of the block is left, the next message need not open it again.
  const end = /^\s*```[ \t]*(\n|$)/.exec(rest);
  if (end !== null) return { message: closed, rest: rest.slice(end[0].length), opening: '' };
  return { message: closed, rest: rest.replace(/^\n/, ''), opening: `${fence}\n` };
}

// A block whose first line ends up last in a message is better begun in the next one.
function beforeBareFence(text: string, cut: number): number {
  const head = text.slice(0, cut);
  const bare = /\n[ \t]*```[^\n]*\n?$/.exec(head);
  return bare !== null && bare.index > 0 && openFence(head) !== undefined ? bare.index : cut;
}

/** The line that opened the code block in which `text` ends; undefined where it ends outside of one. */
function openFence(text: string): string | undefined {
  let open: string | undefined;
  for (const [line] of text.matchAll(/^[ \t]*```.*$/gm)) {
    const fence = line.trimStart();
    // ```like this``` opens and closes on one line.
    if (open === undefined && fence.indexOf('```', 3) === -1) open = fence.slice(0, FENCE_LINE_CHARS_MAX);
    else if (open !== undefined) open = undefined;
  }
  return open;
}

function findCut(text: string, roomChars: number): number {
  const room = text.slice(0, roomChars);
  for (const [separator, leastChars] of [
    ['\n\n', roomChars / 2],
    ['\n', roomChars / 4],
    [' ', 1],
  ] as const) {
    const at = room.lastIndexOf(separator);
    if (at >= leastChars) return at;
  }
  // Not between the two halves of a character beyond the first 65,536.
  const last = room.charCodeAt(room.length - 1);
  return last >= 0xd800 && last <= 0xdbff ? room.length - 1 : room.length;
}
