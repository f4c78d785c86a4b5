import { GatewayError } from '../../core/errors.ts';
import { createPrefixMarker, type PrefixMarker } from '../../core/prefix-marks.ts';
import type { RequestFacts } from '../../core/request.ts';
import { checkChatFields } from './chat-fields.ts';

/**
 * What routing needs to know of a chat completion's body. One walk over the messages both checks them and counts.
 * Fields nobody here knows are left alone: they are the engine's.
 * Throws `invalid_request` with `param` naming the field, in OpenAI's words where OpenAI has some.
 */
export function readChatFacts(
  body: Readonly<Record<string, unknown>>,
  header: (name: string) => string | undefined,
): RequestFacts {
  checkChatFields(body);
  const tools = body['tools'];
  const toolsText = tools === undefined || tools === null ? '' : JSON.stringify(tools);
  const messages = readMessages(body['messages'], toolsText);
  const format = readResponseFormat(body);
  const maxTokens = body['max_completion_tokens'] ?? body['max_tokens'] ?? body['n_predict'];
  return {
    model: (body['model'] as string | null | undefined) ?? 'auto',
    classHint: readClassHint(body, header),
    stream: body['stream'] === true,
    systemText: messages.systemText,
    lastUserText: messages.lastUserText,
    promptChars: messages.chars + toolsText.length,
    messageCount: messages.count,
    // llama-server's word for "read all of it again".
    prefix: body['cache_prompt'] === false ? undefined : messages.marker.marks(),
    imageCount: messages.images,
    audioCount: messages.audios,
    toolCount: Array.isArray(tools) ? tools.length : 0,
    inToolLoop: messages.lastRole === 'tool' || messages.lastRole === 'function',
    responseFormat: format,
    logprobs: body['logprobs'] === true || isPositive(body['n_probs']),
    // llama-server reads a negative bound as "no bound".
    maxTokens: typeof maxTokens === 'number' && maxTokens > 0 ? maxTokens : undefined,
    reasoningEffort: (body['reasoning_effort'] as string | null | undefined) ?? undefined,
    serviceTier: (body['service_tier'] as string | null | undefined) ?? undefined,
    wantsProgress: body['return_progress'] === true || isAsked(header('x-router-progress')) || undefined,
    sloTtftMs: readMs(header, 'x-slo-ttft-ms'),
    sloE2eMs: readMs(header, 'x-slo-e2e-ms'),
    header,
  };
}

type Messages = {
  count: number;
  chars: number;
  images: number;
  audios: number;
  systemText: string;
  lastUserText: string;
  lastRole: string;
  readonly marker: PrefixMarker;
};

const ROLES = new Set(['system', 'developer', 'user', 'assistant', 'tool', 'function']);

function readMessages(value: unknown, toolsText: string): Messages {
  if (value === undefined)
    throw invalid('you must provide a messages parameter: an array of {role, content}', 'messages');
  if (!Array.isArray(value)) throw invalid(`messages must be an array, not ${typeName(value)}`, 'messages');
  if (value.length === 0) throw invalid('messages is an empty array; give at least one message', 'messages');
  const seen: Messages = {
    count: value.length,
    chars: 0,
    images: 0,
    audios: 0,
    systemText: '',
    lastUserText: '',
    lastRole: '',
    marker: createPrefixMarker(),
  };
  // Templates write the tools before or into the first message, wherever they stand in the body.
  if (toolsText !== '') markMessage(seen.marker, 'tools', toolsText);
  for (let index = 0; index < value.length; index += 1) readMessage(value[index], index, seen);
  return seen;
}

function readMessage(message: unknown, index: number, seen: Messages): void {
  const at = `messages[${index}]`;
  if (!isObject(message)) throw invalid(`${at} must be an object with role and content, not ${typeName(message)}`, at);
  const role = message['role'];
  if (typeof role !== 'string' || !ROLES.has(role)) {
    throw invalid(`${at}.role must be one of ${[...ROLES].join(', ')}, not ${quote(role)}`, `${at}.role`);
  }
  seen.marker.begin(role);
  const text = readContent(message, role, at, seen);
  seen.marker.text(text);
  seen.chars += text.length;
  const calls = message['tool_calls'];
  if (calls !== undefined && calls !== null) {
    if (!Array.isArray(calls))
      throw invalid(`${at}.tool_calls must be an array, not ${typeName(calls)}`, `${at}.tool_calls`);
    const callsText = JSON.stringify(calls);
    seen.marker.text(callsText);
    seen.chars += callsText.length;
  }
  seen.marker.end();
  seen.lastRole = role;
  if (role === 'user') seen.lastUserText = text;
  if (role === 'system' || role === 'developer') seen.systemText += seen.systemText === '' ? text : `\n${text}`;
}

function readContent(message: Record<string, unknown>, role: string, at: string, seen: Messages): string {
  const content = message['content'];
  if (typeof content === 'string') return content;
  if (content === undefined || content === null) {
    if (role === 'assistant') return '';
    throw invalid(`${at}.content must be a string or an array of parts, not ${typeName(content)}`, `${at}.content`);
  }
  if (!Array.isArray(content)) {
    throw invalid(`${at}.content must be a string or an array of parts, not ${typeName(content)}`, `${at}.content`);
  }
  let text = '';
  for (let index = 0; index < content.length; index += 1) {
    text += readPart(content[index], `${at}.content[${index}]`, seen);
  }
  return text;
}

function readPart(part: unknown, at: string, seen: Messages): string {
  if (!isObject(part) || typeof part['type'] !== 'string') {
    throw invalid(`${at} must be an object with a type, such as {"type":"text","text":"..."}`, at);
  }
  switch (part['type']) {
    case 'image_url':
      seen.images += 1;
      seen.marker.media(mediaIdentity(part['image_url'], 'url'));
      return '';
    case 'input_audio':
      seen.audios += 1;
      seen.marker.media(mediaIdentity(part['input_audio'], 'data'));
      return '';
    case 'text':
      if (typeof part['text'] !== 'string')
        throw invalid(`${at}.text must be a string, not ${typeName(part['text'])}`, `${at}.text`);
      return part['text'];
    default:
      // Another kind of part is the engine's to accept or refuse.
      return typeof part['text'] === 'string' ? part['text'] : '';
  }
}

function markMessage(marker: PrefixMarker, role: string, text: string): void {
  marker.begin(role);
  marker.text(text);
  marker.end();
}

// The data itself or where it lies, whichever the client sent.
function mediaIdentity(value: unknown, key: string): string {
  const identity = isObject(value) ? value[key] : value;
  return typeof identity === 'string' ? identity : '';
}

function readResponseFormat(body: Record<string, unknown>): RequestFacts['responseFormat'] {
  if (isSet(body['grammar'])) return 'grammar';
  if (isSet(body['json_schema'])) return 'json_schema';
  const format = body['response_format'];
  if (!isSet(format)) return 'text';
  const type = isObject(format) ? format['type'] : undefined;
  if (type === 'text' || type === 'json_object' || type === 'json_schema') return type;
  throw invalid(
    `response_format.type must be text, json_object or json_schema, not ${quote(type)}`,
    'response_format.type',
  );
}

function readClassHint(
  body: Record<string, unknown>,
  header: (name: string) => string | undefined,
): RequestFacts['classHint'] {
  const fromHeader = header('x-router-class');
  if (fromHeader !== undefined) return { value: fromHeader, source: 'header x-router-class' };
  const metadata = body['metadata'];
  const fromBody = isObject(metadata) ? metadata['router_class'] : undefined;
  return typeof fromBody === 'string' ? { value: fromBody, source: 'metadata.router_class' } : undefined;
}

// `0` and `false` say no, as they do elsewhere in headers.
const isAsked = (text: string | undefined): boolean => text !== undefined && !['', '0', 'false'].includes(text);

function readMs(header: (name: string) => string | undefined, name: string): number | undefined {
  const text = header(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw invalid(`header ${name} must be a positive number of milliseconds, not ${quote(text)}`, name);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== '';
const isPositive = (value: unknown): boolean => typeof value === 'number' && value > 0;
const typeName = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
const quote = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : typeName(value);
const invalid = (message: string, param: string) => new GatewayError('invalid_request', message, { param });
