import type { RequestFacts } from '../../core/request.ts';
import { readChatFacts } from '../openai/chat-facts.ts';
import { readJsonObject } from '../openai/read-json.ts';
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
import { decodeInput } from './input.ts';
import { type CallForm, decodeTools } from './tools.ts';

/** A Responses request that has been read. */
export type DecodedResponses = {
  readonly facts: RequestFacts;
  /** The same as a chat completion. */
  readonly chat: Fields;
  /** By the name the model knows a tool by. */
  readonly forms: ReadonlyMap<string, CallForm>;
  /** The request's fields that every Response object repeats. */
  readonly echo: Fields;
  /** Fields that are not honoured, in the client's words; told in `x_router.ignored`. */
  readonly ignored: readonly string[];
};

/**
 * Reads the body of `POST /v1/responses`. Throws `invalid_request` or `unsupported_feature` with `param` naming the field:
 * what would need a stored response or a tool of OpenAI's servers is refused, what only loses a convenience is told in
 * `ignored`.
 */
export function decodeResponses(bytes: Buffer, header: (name: string) => string | undefined): DecodedResponses {
  const body = readJsonObject(bytes);
  refuseStored(body);
  const input = decodeInput(body);
  const tools = decodeTools(body);
  const format = readFormat(body);
  const reasoning = given(body['reasoning'], 'reasoning', fieldsAt);
  const effort = given(reasoning?.['effort'], 'reasoning.effort', textAt);
  const chat = compact({
    ...pick(body, PASSED_ON),
    messages: input.messages,
    tools: tools.chat,
    tool_choice: tools.choice,
    // Means nothing without tools, and some engines refuse it then.
    parallel_tool_calls: tools.chat === undefined ? undefined : body['parallel_tool_calls'],
    max_tokens: given(body['max_output_tokens'], 'max_output_tokens', positiveAt),
    reasoning_effort: effort,
    chat_template_kwargs: effort === 'none' ? { enable_thinking: false } : undefined,
    response_format: format,
  });
  return {
    facts: readChatFacts(chat, header),
    chat,
    forms: tools.forms,
    echo: echoOf(body, effort),
    ignored: [...ignoredFields(body, reasoning), ...input.ignored, ...tools.ignored],
  };
}

/** Fields that mean the same in a chat completion, and the samplers' that engines take beside them. */
const PASSED_ON = [
  'model',
  'stream',
  'temperature',
  'top_p',
  'metadata',
  'service_tier',
  'user',
  'seed',
  'stop',
  'top_k',
  'min_p',
  'typical_p',
  'presence_penalty',
  'frequency_penalty',
  'repeat_penalty',
  'ignore_eos',
  'cache_prompt',
] as const;

/** Fields we read, or that say nothing to a server which stores nothing and runs one response at a time. */
const UNDERSTOOD = new Set<string>([
  ...PASSED_ON,
  'background',
  'client_metadata',
  'conversation',
  'include',
  'input',
  'instructions',
  'max_output_tokens',
  'max_tool_calls',
  'parallel_tool_calls',
  'previous_response_id',
  'prompt',
  'prompt_cache_key',
  'prompt_cache_retention',
  'reasoning',
  'safety_identifier',
  'store',
  'stream_options',
  'text',
  'tool_choice',
  'tools',
  'truncation',
]);

function refuseStored(body: Fields): void {
  const whole = 'nothing is stored here; send the whole conversation in input';
  if (isGiven(body['previous_response_id']))
    throw unsupported('previous_response_id', `previous_response_id cannot be followed: ${whole}`);
  if (isGiven(body['conversation'])) throw unsupported('conversation', `conversation cannot be continued: ${whole}`);
  if (isGiven(body['prompt']))
    throw unsupported(
      'prompt',
      'prompt names a stored template, and nothing is stored here; send its text in instructions',
    );
  if (body['background'] === true) {
    throw unsupported(
      'background',
      'background responses would have to be stored to be fetched later; leave background out',
    );
  }
  for (const name of listOrNothing(body['include'])) {
    if (name === 'message.output_text.logprobs') {
      throw unsupported(
        'include',
        'message.output_text.logprobs is not served here; ask /v1/chat/completions with logprobs',
      );
    }
  }
}

const listOrNothing = (value: unknown): readonly unknown[] => given(value, 'include', listAt) ?? [];

function readFormat(body: Fields): object | undefined {
  const format = given(given(body['text'], 'text', fieldsAt)?.['format'], 'text.format', fieldsAt);
  const type = format?.['type'];
  if (format === undefined || type === 'text') return undefined;
  if (type === 'json_object') return { type };
  if (type !== 'json_schema') throw refusal('text.format.type', formatTypes(type));
  const schema = fieldsAt(format['schema'], 'text.format.schema');
  const name = textAt(format['name'], 'text.format.name');
  const strict = given(format['strict'], 'text.format.strict', booleanAt);
  return { type, json_schema: { name, schema, ...(strict !== undefined && { strict }) } };
}

const formatTypes = (type: unknown) => `text.format.type must be text, json_object or json_schema, not ${shown(type)}`;

function ignoredFields(body: Fields, reasoning: Fields | undefined): string[] {
  const ignored = Object.keys(body).filter((name) => !UNDERSTOOD.has(name) && isGiven(body[name]));
  if (isFields(body['text']) && isGiven(body['text']['verbosity'])) ignored.push('text.verbosity');
  if (isGiven(reasoning?.['summary'])) ignored.push('reasoning.summary');
  // What the model does not fit in its context is refused, whatever was asked.
  if (body['truncation'] === 'auto') ignored.push('truncation');
  return ignored;
}

function echoOf(body: Fields, effort: string | undefined): Fields {
  const text = isFields(body['text']) ? body['text'] : {};
  return {
    background: false,
    instructions: body['instructions'] ?? null,
    max_output_tokens: body['max_output_tokens'] ?? null,
    max_tool_calls: null,
    metadata: body['metadata'] ?? {},
    parallel_tool_calls: body['parallel_tool_calls'] ?? true,
    previous_response_id: null,
    prompt_cache_key: body['prompt_cache_key'] ?? null,
    reasoning: { effort: effort ?? null, summary: null },
    service_tier: body['service_tier'] ?? 'default',
    store: false,
    temperature: body['temperature'] ?? null,
    text: { ...text, format: text['format'] ?? { type: 'text' } },
    tool_choice: body['tool_choice'] ?? 'auto',
    tools: body['tools'] ?? [],
    top_p: body['top_p'] ?? null,
    truncation: 'disabled',
    user: body['user'] ?? null,
  };
}

function positiveAt(value: unknown, at: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value;
  throw wrongType(at, 'a positive integer', value);
}

function booleanAt(value: unknown, at: string): boolean {
  if (typeof value === 'boolean') return value;
  throw wrongType(at, 'true or false', value);
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

const pick = (body: Fields, names: readonly string[]): Fields =>
  Object.fromEntries(names.filter((name) => Object.hasOwn(body, name)).map((name) => [name, body[name]]));

const compact = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
