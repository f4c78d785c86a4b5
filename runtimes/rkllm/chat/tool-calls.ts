import type { ChatTool } from './messages.ts';

/** A call the model wrote; `arguments` is JSON text, as OpenAI sends it. */
export type ParsedCall = { readonly name: string; readonly arguments: string };

/**
 * Reads the calls out of one block of a model's answer: a JSON object or array of `{name, arguments | parameters}`
 * (also wrapped as `{type: 'function', function: {…}}`), several objects one after another (with `;`, `,` or white
 * space between), or Qwen's `<function=name><parameter=key>value</parameter></function>`.
 * Undefined where the text is anything else: the caller passes it on as text.
 */
export function parseCalls(text: string, tools: readonly ChatTool[]): readonly ParsedCall[] | undefined {
  const body = text.trim();
  if (body.startsWith('<function=')) return parseTaggedCalls(body, tools);
  const objects = splitObjects(body.startsWith('[') && body.endsWith(']') ? body.slice(1, -1) : body);
  if (objects === undefined || objects.length === 0) return undefined;
  const calls = objects.map(readCall);
  return calls.every((call) => call !== undefined) ? calls : undefined;
}

/** Whether the start of an answer could still become a call written as bare JSON. */
export const mayBecomeCall = (text: string): boolean =>
  START.some((key) => key.startsWith(compact(text)) || compact(text).startsWith(key));

const START = ['{"name":"', '{"type":"function"', '{"function":', '[{"name":"', '[{"type":"function"'];
const compact = (text: string): string => text.slice(0, 200).replace(/\s+/g, '');

type Fields = Readonly<Record<string, unknown>>;

function readCall(text: string): ParsedCall | undefined {
  const value = parseObject(text);
  if (value === undefined) return undefined;
  const inner = memberText(text, 'function');
  if (typeof value['function'] === 'object' && inner !== undefined) return readCall(inner);
  const name = value['name'];
  if (typeof name !== 'string' || name === '') return undefined;
  const key = 'arguments' in value ? 'arguments' : 'parameters';
  const given = value[key];
  if (typeof given === 'string') return { name, arguments: given.trim() === '' ? '{}' : given };
  if (given === undefined || given === null) return { name, arguments: '{}' };
  if (typeof given !== 'object' || Array.isArray(given)) return undefined;
  // The text itself, not JSON.stringify of the value: long numbers would lose digits.
  return { name, arguments: memberText(text, key) ?? JSON.stringify(given) };
}

function parseObject(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    // Not JSON: the caller passes the text on as it is.
    return undefined;
  }
}

/** Cuts `{…}; {…}` into its objects; undefined where anything else stands between them or one is not closed. */
function splitObjects(text: string): readonly string[] | undefined {
  const objects: string[] = [];
  let at = 0;
  while (at < text.length) {
    const gap = /^[\s;,]*/.exec(text.slice(at))?.[0].length ?? 0;
    at += gap;
    if (at >= text.length) break;
    const end = text[at] === '{' ? endOfValue(text, at) : undefined;
    if (end === undefined) return undefined;
    objects.push(text.slice(at, end));
    at = end;
  }
  return objects;
}

/** Text of a top-level member's object value in valid JSON; undefined where it is no object. The last one counts. */
function memberText(text: string, key: string): string | undefined {
  let found: string | undefined;
  let at = text.indexOf('{') + 1;
  while (at > 0 && at < text.length) {
    const nameStart = text.indexOf('"', at);
    if (nameStart === -1) break;
    const nameEnd = endOfString(text, nameStart);
    const colon = nameEnd === undefined ? -1 : text.indexOf(':', nameEnd);
    if (nameEnd === undefined || colon === -1) break;
    const start = colon + 1 + (/^\s*/.exec(text.slice(colon + 1))?.[0].length ?? 0);
    const end = endOfValue(text, start);
    if (end === undefined) break;
    if (JSON.parse(text.slice(nameStart, nameEnd)) === key && text[start] === '{') found = text.slice(start, end);
    at = end;
  }
  return found;
}

/** Index behind the JSON value that starts at `start`; undefined where it does not end. */
function endOfValue(text: string, start: number): number | undefined {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const letter = text[at] ?? '';
    if (depth === 0 && at > start && ',]}'.includes(letter)) return at;
    if (letter === '"') {
      const end = endOfString(text, at);
      if (end === undefined) return undefined;
      at = end;
    } else {
      if ('{['.includes(letter)) depth += 1;
      if (']}'.includes(letter)) depth -= 1;
      at += 1;
    }
    if (depth === 0 && '"]}'.includes(letter)) return at;
  }
  return undefined;
}

function endOfString(text: string, start: number): number | undefined {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return undefined;
}

/** Whether the text ends inside a JSON string, so that a closing tag found there belongs to the string. */
export function endsInsideString(text: string): boolean {
  let inside = false;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '"') inside = !inside;
    else if (inside && text[at] === '\\') at += 1;
  }
  return inside;
}

const TAGGED = /<function=([^>\s]+)\s*>([\s\S]*?)<\/function>/g;
const PARAMETER = /<parameter=([^>\s]+)\s*>\n?([\s\S]*?)\n?<\/parameter>/g;

/** Qwen3.5's and Qwen3-Coder's way of writing calls; values are text unless the tool's schema says otherwise. */
function parseTaggedCalls(text: string, tools: readonly ChatTool[]): readonly ParsedCall[] | undefined {
  const rest = text.replace(TAGGED, '').trim();
  if (rest !== '') return undefined;
  return [...text.matchAll(TAGGED)].map(([, name = '', body = '']) => {
    const schema = tools.find((tool) => tool.function.name === name)?.function.parameters;
    const values = [...body.matchAll(PARAMETER)].map(([, key = '', value = '']) => [
      key,
      typedValue(value, typeOf(schema, key)),
    ]);
    return { name, arguments: JSON.stringify(Object.fromEntries(values)) };
  });
}

function typeOf(schema: unknown, key: string): unknown {
  const properties = isFields(schema) ? schema['properties'] : undefined;
  const property = isFields(properties) ? properties[key] : undefined;
  return isFields(property) ? property['type'] : undefined;
}

function typedValue(text: string, type: unknown): unknown {
  if (type === 'string' || type === undefined) return text;
  try {
    return JSON.parse(text);
  } catch {
    // The model wrote a value of another type than declared: the tool's own check will say so.
    return text;
  }
}

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
