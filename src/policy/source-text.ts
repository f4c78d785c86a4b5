import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLMap,
} from 'yaml';
import { messageOf } from '../core/errors.ts';

/** Way to a value in the file: map keys and list positions. */
export type PropertyPath = readonly (string | number)[];

/** Lines and columns count from 1. */
export type Position = { readonly line: number; readonly column: number };

/** A parsed YAML text that still knows where everything stood. */
export type SourceText = {
  /** The value as plain objects; undefined when there are `faults`. */
  readonly root: unknown;
  /** What makes the text unusable as YAML: syntax, repeated keys, unknown anchors. */
  readonly faults: readonly (Position & { readonly path: PropertyPath; readonly message: string })[];
  /** Plain value at a path; undefined where there is none. */
  value(path: PropertyPath): unknown;
  /** Where the value (or the key) at a path stands; the nearest parent's key where there is none. */
  position(path: PropertyPath, place: 'key' | 'value'): Position;
};

type Fault = SourceText['faults'][number];

/** Most times aliases may be followed: a text that multiplies itself ("billion laughs") is refused. */
const ALIASES_MAX = 1000;

/** Reads YAML 1.2 (merge keys `<<` allowed) without throwing: what is wrong is in `faults`. */
export function readSource(text: string): SourceText {
  const lines = new LineCounter();
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  let document: Document.Parsed;
  let root: unknown;
  let faults: Fault[];
  try {
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, merge: true });
    faults = [...syntaxFaults(document, positionAt), ...structureFaults(document, positionAt)];
    if (faults.length === 0) root = document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (thrown) {
    // The parser recurses: thousands of nested brackets end its stack, and too many aliases end toJS.
    const message = thrown instanceof RangeError ? 'nested too deeply' : firstLine(messageOf(thrown));
    faults = [{ line: 1, column: 1, path: [], message: `not usable as YAML: ${message}` }];
    return { root: undefined, faults, value: () => undefined, position: () => ({ line: 1, column: 1 }) };
  }
  return {
    root,
    faults,
    value: (path) => path.reduce<unknown>(childValue, root),
    position: (path, place) => positionAt(offsetOf(document, path, place)),
  };
}

function syntaxFaults(document: Document.Parsed, positionAt: (offset: number) => Position): Fault[] {
  return [...document.errors, ...document.warnings].map((error) => ({
    ...positionAt(error.pos[0]),
    path: [],
    message: `not valid YAML: ${firstLine(error.message)}`,
  }));
}

function structureFaults(document: Document.Parsed, positionAt: (offset: number) => Position): Fault[] {
  const faults: Fault[] = [];
  visit(document, {
    Map(_, map, ancestors) {
      faults.push(...repeatedKeys(map, ancestors, positionAt));
    },
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return;
      const message = `no anchor &${alias.source} stands before the alias *${alias.source}`;
      faults.push({ ...positionAt(startOf(alias)), path: [], message });
    },
  });
  return faults;
}

function repeatedKeys(map: YAMLMap, ancestors: readonly unknown[], positionAt: (offset: number) => Position): Fault[] {
  const faults: Fault[] = [];
  const firstLines = new Map<string, number>();
  for (const pair of map.items) {
    const key = keyText(pair);
    const position = positionAt(startOf(pair.key));
    const path = [...pathOf(ancestors, map), key ?? '?'];
    const first = firstLines.get(key ?? '');
    if (key === undefined || key === '__proto__') {
      faults.push({ ...position, path, message: 'expected a plain name as key' });
    } else if (first !== undefined && key !== '<<') {
      faults.push({ ...position, path, message: `key ${JSON.stringify(key)} stands twice, first on line ${first}` });
    } else {
      firstLines.set(key, position.line);
    }
  }
  return faults;
}

/** Path of a node from the chain of documents, pairs and collections above it. */
function pathOf(ancestors: readonly unknown[], node: unknown): PropertyPath {
  const path: (string | number)[] = [];
  const chain = [...ancestors, node];
  chain.forEach((parent, index) => {
    if (isPair(parent)) path.push(keyText(parent) ?? '?');
    if (isSeq(parent) && index + 1 < chain.length) path.push(parent.items.indexOf(chain[index + 1]));
  });
  return path;
}

function offsetOf(document: Document.Parsed, path: PropertyPath, place: 'key' | 'value'): number {
  let node: unknown = resolved(document, document.contents);
  let offset = startOf(document.contents);
  for (const [index, segment] of path.entries()) {
    const isLast = index === path.length - 1;
    if (isMap(node)) {
      const pair = findPair(document, node, String(segment));
      if (pair === undefined) return offset;
      offset = startOf(pair.key);
      node = resolved(document, pair.value);
      if (isLast && place === 'value' && hasText(pair.value)) return startOf(pair.value);
    } else if (isSeq(node)) {
      const item = node.items[Number(segment)];
      if (item === undefined) return offset;
      offset = startOf(item);
      node = resolved(document, item);
    } else {
      return offset;
    }
  }
  return offset;
}

function findPair(document: Document.Parsed, map: YAMLMap, key: string): Pair | undefined {
  const own = map.items.find((pair) => keyText(pair) === key);
  if (own !== undefined) return own;
  for (const pair of map.items) {
    if (keyText(pair) !== '<<') continue;
    const merged = resolved(document, pair.value);
    for (const source of isSeq(merged) ? merged.items : [merged]) {
      const target = resolved(document, source);
      const found = isMap(target) ? findPair(document, target, key) : undefined;
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function resolved(document: Document.Parsed, node: unknown): unknown {
  return isAlias(node) ? (node as Alias).resolve(document) : node;
}

/** An empty value (`keep:`) has a range but no text: the key's place is the better one. */
function hasText(node: unknown): boolean {
  return !(isScalar(node) && node.value === null && node.source === '');
}

function startOf(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}

function keyText(pair: Pair): string | undefined {
  const key: unknown = pair.key;
  if (!isScalar(key) || key.value === null || typeof key.value === 'object') return undefined;
  return typeof key.value === 'symbol' ? '<<' : String(key.value);
}

function childValue(parent: unknown, segment: string | number): unknown {
  if (typeof parent !== 'object' || parent === null || !Object.hasOwn(parent, segment)) return undefined;
  return (parent as Record<string | number, unknown>)[segment];
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text;
}
