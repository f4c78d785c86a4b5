import {
  type Fields,
  fieldsAt,
  given,
  isFields,
  listAt,
  refusal,
  shown,
  textAt,
  unsupported,
  wrongType,
} from './fields.ts';
import { CUSTOM_INPUT, chatName } from './tools.ts';

/** The conversation of a request as chat messages. */
export type DecodedInput = {
  readonly messages: readonly object[];
  /** Items that are not honoured, such as `input[3] (web_search_call)`. */
  readonly ignored: readonly string[];
};

/**
 * Reads `instructions` and `input` into the messages of a chat completion:
 *
 *   instructions, leading system and developer messages → one system message, the only place where templates take one
 *   later system and developer messages                 → user messages in their place, see {@link LATER_RULE}
 *   reasoning, assistant message, calls in a row        → one assistant message
 *   outputs of calls                                    → tool messages
 *
 * Reasoning is given back to the model within the turn it belongs to and dropped from earlier ones, as the models' own
 * templates do. Throws `invalid_request` naming the item at fault.
 */
export function decodeInput(body: Fields): DecodedInput {
  const talk = new Conversation(given(body['instructions'], 'instructions', textAt));
  const input = body['input'];
  if (typeof input === 'string') talk.say('user', input);
  else for (const [index, item] of itemsOf(input).entries()) readItem(item, `input[${index}]`, talk);
  const messages = talk.finish();
  if (messages.length === 0) throw refusal('input', 'input is empty and there are no instructions; give at least one');
  return { messages, ignored: talk.ignored };
}

function itemsOf(input: unknown): readonly unknown[] {
  if (input === undefined || input === null) return [];
  if (Array.isArray(input)) return input;
  throw wrongType('input', 'a string or an array of items', input);
}

/**
 * Chat templates refuse a system message that is not the first (Qwen 3.5 raises an exception), and moving it to the
 * front would throw away what the engine's cache holds of the conversation.
 */
const LATER_RULE = 'Instructions from the developer:\n';

type Part = { readonly type: string; readonly text?: string; readonly [name: string]: unknown };
type Content = string | readonly Part[];
type ToolCall = {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
};
type Message =
  | { readonly role: 'user' | 'system'; readonly content: Content }
  | { readonly role: 'tool'; readonly tool_call_id: string; readonly content: Content }
  | Assistant;
type Assistant = { role: 'assistant'; content: string | null; reasoning_content?: string; tool_calls?: ToolCall[] };

class Conversation {
  readonly ignored: string[] = [];
  readonly #rules: string[];
  readonly #messages: Message[] = [];
  readonly #calls = new Set<string>();

  constructor(instructions: string | undefined) {
    this.#rules = instructions === undefined || instructions === '' ? [] : [instructions];
  }

  say(role: string, content: Content): void {
    if (role === 'user') this.#messages.push({ role, content });
    else if (role === 'assistant')
      this.#assistant((message) => ({ content: (message.content ?? '') + joined(content) }));
    else if (this.#messages.length === 0) this.#rules.push(joined(content));
    else this.#messages.push({ role: 'user', content: LATER_RULE + joined(content) });
  }

  think(text: string): void {
    this.#assistant((message) => ({ reasoning_content: (message.reasoning_content ?? '') + text }));
  }

  call(call: ToolCall): void {
    this.#calls.add(call.id);
    this.#assistant((message) => ({ tool_calls: [...(message.tool_calls ?? []), call] }));
  }

  answer(id: string, content: Content, at: string): void {
    if (!this.#calls.has(id)) {
      throw refusal(`${at}.call_id`, `${at} answers call ${shown(id)}, which no item before it makes`);
    }
    this.#messages.push({ role: 'tool', tool_call_id: id, content });
  }

  finish(): readonly object[] {
    const lastUser = this.#messages.findLastIndex(({ role }) => role === 'user');
    const messages = this.#messages.flatMap((message, index) =>
      index < lastUser && message.role === 'assistant' ? withoutThoughts(message) : [message],
    );
    if (this.#rules.length === 0) return messages;
    return [{ role: 'system', content: this.#rules.join('\n\n') }, ...messages];
  }

  // Templates want a turn's thoughts, text and calls in one message.
  #assistant(added: (message: Assistant) => Partial<Assistant>): void {
    let last = this.#messages.at(-1);
    if (last?.role !== 'assistant') {
      last = { role: 'assistant', content: null };
      this.#messages.push(last);
    }
    Object.assign(last, added(last));
  }
}

// A turn of nothing but thoughts, such as one that was cut off, is no message any more.
function withoutThoughts({ reasoning_content: _, ...message }: Assistant): Assistant[] {
  return message.content === null && message.tool_calls === undefined ? [] : [message];
}

const joined = (content: Content): string =>
  typeof content === 'string' ? content : content.map(({ text }) => text ?? '').join('\n');

function readItem(value: unknown, at: string, talk: Conversation): void {
  const item = fieldsAt(value, at);
  const type = item['type'] ?? 'message';
  switch (type) {
    case 'message':
      talk.say(roleOf(item, at), contentOf(item['content'], `${at}.content`));
      return;
    case 'reasoning':
      talk.think(thoughtsOf(item['content'], `${at}.content`));
      return;
    case 'function_call':
    case 'custom_tool_call':
      talk.call(callOf(item, at));
      return;
    case 'function_call_output':
    case 'custom_tool_call_output':
      talk.answer(textAt(item['call_id'], `${at}.call_id`), outputOf(item['output'], `${at}.output`), at);
      return;
    case 'item_reference':
      throw refusal(
        at,
        `${at} refers to an item of an earlier response, and nothing is stored here; send the item itself`,
      );
    case 'web_search_call':
    case 'image_generation_call':
    case 'tool_search_call':
    case 'tool_search_output':
      // Left by another server in the same conversation; what came of it stands in the messages around it.
      talk.ignored.push(`${at} (${type})`);
      return;
    default:
      throw unsupported(
        `${at}.type`,
        `${at} is of type ${shown(type)}, which no model here understands; ${KNOWN_ITEMS}`,
      );
  }
}

const KNOWN_ITEMS =
  'send message, reasoning, function_call, function_call_output, custom_tool_call or custom_tool_call_output';

function roleOf(item: Fields, at: string): string {
  const role = item['role'];
  if (typeof role === 'string' && ['user', 'assistant', 'system', 'developer'].includes(role)) return role;
  throw wrongType(`${at}.role`, 'one of user, assistant, system, developer', role);
}

function contentOf(value: unknown, at: string): Content {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) throw wrongType(at, 'a string or an array of parts', value);
  const parts = value.map((part, index) => partOf(part, `${at}[${index}]`));
  const [only] = parts;
  return parts.length === 1 && only?.type === 'text' && only.text !== undefined ? only.text : parts;
}

function partOf(value: unknown, at: string): Part {
  const part = fieldsAt(value, at);
  switch (part['type']) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return { type: 'text', text: textAt(part['text'], `${at}.text`) };
    case 'refusal':
      return { type: 'text', text: textAt(part['refusal'], `${at}.refusal`) };
    case 'input_image':
      return imageOf(part, at);
    case 'input_audio':
      return { type: 'input_audio', input_audio: fieldsAt(part['input_audio'], `${at}.input_audio`) };
    default:
      throw unsupported(
        `${at}.type`,
        `${at} is of type ${shown(part['type'])}; parts may be input_text, output_text, refusal, input_image and input_audio`,
      );
  }
}

function imageOf(part: Fields, at: string): Part {
  const url = given(part['image_url'], `${at}.image_url`, textAt);
  if (url === undefined) {
    throw unsupported(`${at}.image_url`, `${at} has no image_url, and there are no stored files; send a data URL`);
  }
  const detail = given(part['detail'], `${at}.detail`, textAt);
  return { type: 'image_url', image_url: { url, ...(detail !== undefined && { detail }) } };
}

// Reasoning that another server has encrypted has no text here and says nothing to a local model.
function thoughtsOf(value: unknown, at: string): string {
  const parts = given(value, at, listAt) ?? [];
  return parts.map((part) => (isFields(part) && typeof part['text'] === 'string' ? part['text'] : '')).join('');
}

function callOf(item: Fields, at: string): ToolCall {
  const namespace = given(item['namespace'], `${at}.namespace`, textAt);
  const name = chatName(namespace, textAt(item['name'], `${at}.name`));
  const text =
    item['type'] === 'function_call'
      ? argumentsOf(textAt(item['arguments'], `${at}.arguments`))
      : JSON.stringify({ [CUSTOM_INPUT]: textAt(item['input'], `${at}.input`) });
  const id = textAt(item['call_id'], `${at}.call_id`);
  return { id, type: 'function', function: { name, arguments: text } };
}

// What a model got wrong comes back with the conversation, and an engine whose template reads the arguments fails on it.
function argumentsOf(text: string): string {
  if (text.trim() === '') return '{}';
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify({ invalid_json: text });
  }
}

function outputOf(value: unknown, at: string): Content {
  if (typeof value === 'string' || Array.isArray(value)) return contentOf(value, at);
  throw wrongType(at, 'a string or an array of parts', value);
}
