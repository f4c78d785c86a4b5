import { type Fields, invalid, LIST, OBJECT, optional, TEXT } from './fields.ts';

const ROLES = ['system', 'user', 'assistant', 'tool'];

type Call = { readonly id: string; readonly name: string };

/**
 * Chat messages in OpenAI's form. Images become parts of the message; a call without an id is given one, and a tool's
 * result is matched to it by the tool's name, else by order. Throws `invalid_request` naming the field.
 */
export function readMessages(messages: readonly unknown[]): readonly Fields[] {
  const unanswered: Call[] = [];
  return messages.map((message, index) => readMessage(message, `messages[${index}]`, unanswered));
}

function readMessage(value: unknown, at: string, unanswered: Call[]): Fields {
  if (!OBJECT.test(value)) throw invalid(at, 'an object with role and content', value);
  const message = value as Fields;
  const role = message['role'];
  if (typeof role !== 'string' || !ROLES.includes(role))
    throw invalid(`${at}.role`, `one of ${ROLES.join(', ')}`, role);
  const text = optional<string>(message, 'content', TEXT, `${at}.content`) ?? '';
  const content = withImages(text, message, at);
  if (role === 'assistant') return { role, content, ...readAnswer(message, at, unanswered) };
  if (role === 'tool') return { role, content, ...readResult(message, at, unanswered) };
  return { role, content };
}

/** A message's text with its images, where it has any, as parts. Throws `invalid_request`. */
export function withImages(text: string, fields: Fields, at?: string): string | readonly Fields[] {
  const where = at === undefined ? 'images' : `${at}.images`;
  const images = optional<readonly unknown[]>(fields, 'images', LIST, where) ?? [];
  if (images.length === 0) return text;
  const parts = images.map((image, index) => ({
    type: 'image_url',
    image_url: { url: imageUrl(image, `${where}[${index}]`) },
  }));
  return text === '' ? parts : [{ type: 'text', text }, ...parts];
}

/** The first characters of each kind of image in base64. */
const MAGIC: readonly (readonly [string, string])[] = [
  ['/9j/', 'image/jpeg'],
  ['iVBORw0KGgo', 'image/png'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
  ['Qk', 'image/bmp'],
];

function imageUrl(image: unknown, at: string): string {
  const expected = 'a JPEG, PNG, WebP, GIF or BMP image in base64';
  if (typeof image !== 'string') throw invalid(at, expected, image);
  if (image.startsWith('data:image/')) return image;
  const [, type] = MAGIC.find(([start]) => image.startsWith(start)) ?? [];
  if (type === undefined || !/^[\w+/=-]+$/.test(image)) throw invalid(at, expected, `${image.slice(0, 12)}…`);
  return `data:${type};base64,${image}`;
}

function readAnswer(message: Fields, at: string, unanswered: Call[]): Fields {
  const thinking = optional<string>(message, 'thinking', TEXT, `${at}.thinking`);
  const calls = optional<readonly unknown[]>(message, 'tool_calls', LIST, `${at}.tool_calls`) ?? [];
  const read = calls.map((call, index) => readCall(call, `${at}.tool_calls[${index}]`, unanswered));
  return {
    ...(thinking !== undefined && thinking !== '' && { reasoning_content: thinking }),
    ...(read.length > 0 && { tool_calls: read }),
  };
}

function readCall(value: unknown, at: string, unanswered: Call[]): Fields {
  const call = OBJECT.test(value) ? (value as Fields) : undefined;
  const called = call === undefined ? undefined : optional<Fields>(call, 'function', OBJECT, `${at}.function`);
  if (call === undefined || called === undefined) throw invalid(at, 'an object with a function', value);
  const name = called['name'];
  if (typeof name !== 'string') throw invalid(`${at}.function.name`, 'a string', name);
  const given = called['arguments'] ?? {};
  // Their own form is an object; the text that OpenAI has in its place is understood too.
  if (typeof given !== 'string' && !OBJECT.test(given)) throw invalid(`${at}.function.arguments`, 'an object', given);
  const id = optional<string>(call, 'id', TEXT, `${at}.id`) || `call_${at.replace(/\D+/g, '_').replace(/^_|_$/g, '')}`;
  unanswered.push({ id, name });
  return {
    id,
    type: 'function',
    function: { name, arguments: typeof given === 'string' ? given : JSON.stringify(given) },
  };
}

function readResult(message: Fields, at: string, unanswered: Call[]): Fields {
  const name = optional<string>(message, 'tool_name', TEXT, `${at}.tool_name`);
  const given = optional<string>(message, 'tool_call_id', TEXT, `${at}.tool_call_id`);
  const found = unanswered.findIndex((call) => (given === undefined ? call.name === name : call.id === given));
  const call = unanswered.splice(Math.max(found, 0), 1)[0];
  const id = given ?? call?.id ?? 'call_0';
  return { tool_call_id: id, ...(name !== undefined && { name }) };
}
