import { type Fields, fieldsAt, isFields, isGiven, listAt, textAt, unsupported, wrong } from './fields.ts';

/** A part of a chat completion's message. */
export type ChatPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string } };

/** A call of an earlier answer, in the chat language. */
export type ChatCall = {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
};

/** A tool's result: a chat language's message of its own. */
export type ChatToolResult = {
  readonly role: 'tool';
  readonly tool_call_id: string;
  readonly content: string | readonly ChatPart[];
};

/** What the blocks of one message come to. */
export type Content = {
  readonly parts: readonly ChatPart[];
  /** Thoughts of an earlier answer; empty where it had none. */
  readonly reasoning: string;
  readonly calls: readonly ChatCall[];
  readonly results: readonly ChatToolResult[];
};

/** Reads a message's `content`. Throws `invalid_request` or `unsupported_feature`, naming the block. */
export function decodeContent(value: unknown, role: 'user' | 'assistant', at: string): Content {
  if (typeof value === 'string')
    return { parts: [{ type: 'text', text: value }], reasoning: '', calls: [], results: [] };
  if (!Array.isArray(value)) throw wrong(at, 'a string or an array of content blocks', value);
  const content = { parts: [] as ChatPart[], reasoning: '', calls: [] as ChatCall[], results: [] as ChatToolResult[] };
  for (let index = 0; index < value.length; index += 1) {
    const where = `${at}[${index}]`;
    const block = fieldsAt(value[index], where);
    const type = textAt(block['type'], `${where}.type`);
    if (type === 'text' || type === 'image') content.parts.push(decodePart(block, where));
    else if (type === 'tool_result' && role === 'user') content.results.push(decodeResult(block, where));
    else if (type === 'tool_use' && role === 'assistant') content.calls.push(decodeCall(block, where));
    else if (type === 'thinking' && role === 'assistant')
      content.reasoning += textAt(block['thinking'], `${where}.thinking`);
    // Thoughts only Anthropic can read; the conversation stands without them.
    else if (type !== 'redacted_thinking' || role !== 'assistant') throw refusedBlock(type, role, where);
  }
  return content;
}

/** The texts of a string or of text blocks, one string each. Throws `invalid_request` for other blocks. */
export function decodeTexts(value: unknown, at: string): readonly string[] {
  if (typeof value === 'string') return [value];
  return listAt(value, at).map((item, index) => {
    const where = `${at}[${index}]`;
    const block = fieldsAt(item, where);
    if (block['type'] !== 'text') throw wrong(`${where}.type`, '"text"', block['type']);
    return textAt(block['text'], `${where}.text`);
  });
}

function decodePart(block: Fields, at: string): ChatPart {
  if (block['type'] === 'text') return { type: 'text', text: textAt(block['text'], `${at}.text`) };
  return { type: 'image_url', image_url: { url: imageUrl(block['source'], `${at}.source`) } };
}

function imageUrl(value: unknown, at: string): string {
  const source = fieldsAt(value, at);
  switch (source['type']) {
    case 'base64':
      return `data:${textAt(source['media_type'], `${at}.media_type`)};base64,${textAt(source['data'], `${at}.data`)}`;
    case 'url':
      return textAt(source['url'], `${at}.url`);
    case 'file':
      throw unsupported(at, 'there is no file store for images here; send the image as base64');
    default:
      throw wrong(`${at}.type`, '"base64" or "url"', source['type']);
  }
}

function decodeCall(block: Fields, at: string): ChatCall {
  const input = block['input'];
  if (!isFields(input)) throw wrong(`${at}.input`, 'an object', input);
  return {
    id: textAt(block['id'], `${at}.id`),
    type: 'function',
    function: { name: textAt(block['name'], `${at}.name`), arguments: JSON.stringify(input) },
  };
}

function decodeResult(block: Fields, at: string): ChatToolResult {
  const id = textAt(block['tool_use_id'], `${at}.tool_use_id`);
  const parts = resultParts(block['content'], `${at}.content`);
  const isError = block['is_error'] === true;
  // Most templates write a tool's result as text; a list is kept for images only.
  if (parts.every((part) => part.type === 'text')) {
    const text = parts.map((part) => part.text).join('\n');
    return { role: 'tool', tool_call_id: id, content: isError ? asError(text) : text };
  }
  return {
    role: 'tool',
    tool_call_id: id,
    content: isError ? [{ type: 'text', text: asError('') }, ...parts] : parts,
  };
}

function resultParts(value: unknown, at: string): readonly ChatPart[] {
  if (!isGiven(value)) return [];
  if (typeof value === 'string') return [{ type: 'text', text: value }];
  return listAt(value, at).map((item, index) => {
    const where = `${at}[${index}]`;
    const block = fieldsAt(item, where);
    const type = textAt(block['type'], `${where}.type`);
    if (type === 'text' || type === 'image') return decodePart(block, where);
    throw unsupported(
      where,
      `a tool's result of type "${shorten(type)}" cannot be read here; send text or image blocks`,
    );
  });
}

// The chat language has no word for a failed call, so the model is told in the text.
const asError = (text: string): string => (/^\W*error/i.test(text) ? text : `Error: ${text}`);

function refusedBlock(type: string, role: string, at: string): Error {
  if (type === 'document') return unsupported(at, 'documents cannot be read here; send their text as a text block');
  if (KNOWN_ELSEWHERE.has(type)) return wrong(`${at}.type`, `a block of role ${role}`, type);
  return unsupported(
    at,
    `a block of type "${shorten(type)}" cannot be read here; there are text, image, tool_use, tool_result and thinking`,
  );
}

const KNOWN_ELSEWHERE = new Set(['tool_use', 'tool_result', 'thinking', 'redacted_thinking']);
const shorten = (text: string): string => text.slice(0, 60);
