/** Where a text stops being JSON; lines and columns count from 1. */
export type JsonFault = { readonly line: number; readonly column: number; readonly message: string };

/** Nesting beyond this is refused: no file of ours has more than ten levels. */
const DEPTH_MAX = 100;

/**
 * The first place where a text is not JSON (RFC 8259), or undefined where all of it is. JSON.parse of Node 20 says
 * neither line nor column.
 */
export function findJsonFault(text: string): JsonFault | undefined {
  const scan: Scan = { text, at: 0 };
  const expected = scanValue(scan, 0) ?? (skipSpace(scan) < text.length ? 'the end of the file' : undefined);
  if (expected === undefined) return undefined;
  const before = text.slice(0, scan.at).split('\n');
  const found = scan.at >= text.length ? 'the end of the file' : JSON.stringify(text.slice(scan.at, scan.at + 12));
  return {
    line: before.length,
    column: (before.at(-1)?.length ?? 0) + 1,
    message: `not valid JSON: expected ${expected}, got ${found}`,
  };
}

/** `at` stands behind what was read; after a fault, at its place. */
type Scan = { readonly text: string; at: number };

const SCALAR =
  /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const KEY = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;

/** What was expected where the value goes wrong; undefined where it is whole. */
function scanValue(scan: Scan, depth: number): string | undefined {
  skipSpace(scan);
  const first = scan.text[scan.at];
  if (first !== '{' && first !== '[') return accept(scan, SCALAR) ? undefined : 'a value';
  if (depth >= DEPTH_MAX) return `at most ${DEPTH_MAX} levels of nesting`;
  scan.at += 1;
  return first === '{' ? scanMembers(scan, depth + 1) : scanItems(scan, depth + 1);
}

function scanItems(scan: Scan, depth: number): string | undefined {
  skipSpace(scan);
  if (acceptChar(scan, ']')) return undefined;
  for (;;) {
    const fault = scanValue(scan, depth);
    if (fault !== undefined) return fault;
    skipSpace(scan);
    if (acceptChar(scan, ']')) return undefined;
    if (!acceptChar(scan, ',')) return '"," or "]"';
  }
}

function scanMembers(scan: Scan, depth: number): string | undefined {
  skipSpace(scan);
  if (acceptChar(scan, '}')) return undefined;
  for (;;) {
    skipSpace(scan);
    if (!accept(scan, KEY)) return 'a key in double quotes';
    skipSpace(scan);
    if (!acceptChar(scan, ':')) return '":"';
    const fault = scanValue(scan, depth);
    if (fault !== undefined) return fault;
    skipSpace(scan);
    if (acceptChar(scan, '}')) return undefined;
    if (!acceptChar(scan, ',')) return '"," or "}"';
  }
}

function accept(scan: Scan, pattern: RegExp): boolean {
  pattern.lastIndex = scan.at;
  if (!pattern.test(scan.text)) return false;
  scan.at = pattern.lastIndex;
  return true;
}

function acceptChar(scan: Scan, char: string): boolean {
  if (scan.text[scan.at] !== char) return false;
  scan.at += 1;
  return true;
}

/** Moves behind white space; returns the new place. */
function skipSpace(scan: Scan): number {
  while (' \t\r\n'.includes(scan.text[scan.at] ?? '.')) scan.at += 1;
  return scan.at;
}
