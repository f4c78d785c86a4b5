import { isDeepStrictEqual } from 'node:util';
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  type YAMLMap,
} from 'yaml';
import { GatewayError } from '../core/errors.ts';

/** One value to be set. The path's last part may be new; parts before it are made where they are missing. */
export type PolicyEdit = {
  readonly path: readonly string[];
  readonly value: string | number | boolean;
  /** Write a number as `0xf0`: bit masks are read so. */
  readonly hexadecimal?: boolean;
};

/**
 * Sets values in the text of a policy and leaves every other byte as it is: comments, spacing, quotes, order, line ends.
 * A value that exists is replaced where it stands; a new key goes behind the last one of its map, in the map's own style.
 * The result is read again and must differ in these values only.
 *
 * Throws `invalid_config` naming path and line where the text is no YAML, a part of the path holds something that is no
 * map, or the place is an alias of a value that stands elsewhere: only a person knows whether the others should follow.
 */
export function editPolicyText(text: string, edits: readonly PolicyEdit[]): string {
  return edits.reduce(editOnce, text);
}

function editOnce(text: string, edit: PolicyEdit): string {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true });
  const [fault] = document.errors;
  if (fault !== undefined) throw refuse(edit, `the file is no valid YAML: ${fault.message}`);
  const place = findPlace(document, edit, lines);
  const edited = splice(text, place, valueText(edit));
  checkOnlyThis(document, edited, edit);
  return edited;
}

/** Where the value goes: over an existing scalar, or as new keys into a map. */
type Place =
  | { readonly kind: 'scalar'; readonly start: number; readonly end: number; readonly inFlow: boolean }
  /** `key:` without a value; `end` is behind the colon. */
  | { readonly kind: 'nothing'; readonly end: number; readonly keys: readonly string[]; readonly inFlow: boolean }
  | { readonly kind: 'map'; readonly map: YAMLMap; readonly keys: readonly string[] };

function findPlace(document: Document.Parsed, edit: PolicyEdit, lines: LineCounter): Place {
  let node: ParsedNode | Node | null = document.contents;
  let inFlow = false;
  for (const [depth, key] of edit.path.entries()) {
    if (!isMap(node))
      throw refuse(edit, `${edit.path.slice(0, depth).join('.') || 'the file'} is no map`, line(node, lines));
    inFlow ||= node.flow === true;
    const pair: YAMLMap['items'][number] | undefined = node.items.find((item) => keyText(item.key) === key);
    if (pair === undefined) return { kind: 'map', map: node, keys: edit.path.slice(depth) };
    const value = pair.value as Node | null;
    if (isAlias(value))
      throw refuse(edit, `${edit.path.slice(0, depth + 1).join('.')} is an alias`, line(value, lines));
    const rest = edit.path.slice(depth + 1);
    if (isEmptyScalar(value)) return { kind: 'nothing', end: keyEnd(pair.key, edit), keys: rest, inFlow };
    node = value;
  }
  if (!isScalar(node) || node.range == null) throw refuse(edit, 'it holds more than one value', line(node, lines));
  return { kind: 'scalar', start: node.range[0], end: node.range[1], inFlow };
}

const keyText = (key: unknown): string | undefined => (isScalar(key) ? String(key.value) : undefined);
const isEmptyScalar = (node: Node | null): boolean =>
  node === null || (isScalar(node) && node.value === null && (node.source ?? '') === '');

// Behind the colon of a key that has no value: the key's own end, its quotes included, and the colon.
function keyEnd(key: unknown, edit: PolicyEdit): number {
  if (!isScalar(key) || key.range == null) throw refuse(edit, 'its key is no plain text');
  return key.range[1] + 1;
}

function line(node: Node | null, lines: LineCounter): number | undefined {
  return node?.range == null ? undefined : lines.linePos(node.range[0]).line;
}

function splice(text: string, place: Place, value: string): string {
  switch (place.kind) {
    case 'scalar':
      return replace(text, place.start, place.end, value);
    case 'nothing':
      return replace(text, place.end, place.end, ` ${nested(place.keys, value)}`);
    case 'map':
      return place.map.flow === true
        ? intoFlow(text, place.map, place.keys, value)
        : intoBlock(text, place.map, place.keys, value);
  }
}

const replace = (text: string, start: number, end: number, by: string): string =>
  text.slice(0, start) + by + text.slice(end);

/** `value`, or `{ a: { b: value } }` for keys that have to be made. */
function nested(keys: readonly string[], value: string): string {
  return keys.reduceRight((inner, key) => `{ ${scalarText(key)}: ${inner} }`, value);
}

function intoFlow(text: string, map: YAMLMap, keys: readonly string[], value: string): string {
  const [key = '', ...rest] = keys;
  const addition = `${scalarText(key)}: ${nested(rest, value)}`;
  const start = map.range?.[0] ?? 0;
  const close = (map.range?.[1] ?? 0) - 1;
  if (map.items.length === 0) return replace(text, start, close + 1, `{ ${addition} }`);
  // Behind the last value and not before the bracket: there may be a trailing comma, a line feed or a comment.
  const end = endOf(map.items.at(-1)) ?? close;
  return replace(text, end, end, `, ${addition}`);
}

function intoBlock(text: string, map: YAMLMap, keys: readonly string[], value: string): string {
  const [key = '', ...rest] = keys;
  const first = map.items[0]?.key;
  const start = isScalar(first) ? (first.range?.[0] ?? 0) : 0;
  const indent = text.slice(text.lastIndexOf('\n', start - 1) + 1, start).replace(/[^\s]/g, ' ');
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const end = endOf(map.items.at(-1)) ?? map.range?.[1] ?? text.length;
  const addition = `${indent}${scalarText(key)}: ${nested(rest, value)}`;
  // A block value may end behind its own line feed.
  const from = end > 0 && text[end - 1] === '\n' ? end - 1 : end;
  const next = text.indexOf('\n', from);
  if (next === -1) return `${text}${eol}${addition}${eol}`;
  return replace(text, next + 1, next + 1, `${addition}${eol}`);
}

function endOf(pair: YAMLMap['items'][number] | undefined): number | undefined {
  const value = pair?.value as Node | null | undefined;
  if (value?.range != null) return value.range[1];
  const key = pair?.key;
  return isScalar(key) && key.range != null ? key.range[1] + 1 : undefined;
}

const valueText = ({ value, hexadecimal }: PolicyEdit): string =>
  hexadecimal === true && typeof value === 'number' ? `0x${value.toString(16)}` : scalarText(value);

// Plain where it reads back as itself in every place, flow maps included; quoted otherwise.
function scalarText(value: PolicyEdit['value']): string {
  if (typeof value !== 'string') return String(value);
  const isPlain = /^[A-Za-z0-9_][\w./-]*$/.test(value) && parseDocument(value).toJS() === value;
  return isPlain ? value : JSON.stringify(value);
}

function checkOnlyThis(before: Document.Parsed, edited: string, edit: PolicyEdit): void {
  const after = parseDocument(edited, { merge: true });
  const wanted = withValue(before.toJS(), edit.path, edit.value);
  if (after.errors.length === 0 && isDeepStrictEqual(after.toJS(), wanted)) return;
  throw refuse(edit, 'this text cannot be edited without changing something else; set it by hand');
}

function withValue(root: unknown, [key, ...rest]: readonly string[], value: PolicyEdit['value']): unknown {
  if (key === undefined) return value;
  const map = (root ?? {}) as Readonly<Record<string, unknown>>;
  return { ...map, [key]: withValue(map[key], rest, value) };
}

function refuse({ path, value }: PolicyEdit, why: string, lineNumber?: number): GatewayError {
  const where = lineNumber === undefined ? '' : `line ${lineNumber}: `;
  return new GatewayError('invalid_config', `${where}cannot set ${path.join('.')} to ${JSON.stringify(value)}: ${why}`);
}
