import type { RequestFacts } from '../../core/request.ts';
import { readChatFacts } from '../openai/chat-facts.ts';
import { readJsonObject } from '../openai/read-json.ts';
import { decodeMessages, prefillOf } from './decode-messages.ts';
import { decodeTools } from './decode-tools.ts';
import { type Fields, fieldsAt, isGiven, listAt, textAt, unsupported, wrong } from './fields.ts';

/** A Messages request in the engines' language. */
export type DecodedMessages = {
  readonly facts: RequestFacts;
  /** The chat completion, its model still the client's word. */
  readonly chat: Readonly<Record<string, unknown>>;
  /** Fields that have no effect here, for `x_router.ignored`. */
  readonly ignored: readonly string[];
  /** False where the client wants no thoughts in the answer. */
  readonly showsThinking: boolean;
  /** The answer's beginning as the client wrote it; empty where it wrote none. */
  readonly prefill: string;
};

/** What is asked of the body: a count has no `max_tokens`. */
export type MessagesUse = 'generate' | 'count';

/**
 * Reads the body of `POST /v1/messages` or of `count_tokens`. What Anthropic's API has and this gateway has not is
 * refused where the answer would be another one, else named in `ignored`, as are fields nobody knows: clients send new
 * ones with every beta. Throws `invalid_request` or `unsupported_feature`, with `param` naming the field.
 */
export function decodeBody(
  bytes: Buffer,
  header: (name: string) => string | undefined,
  use: MessagesUse,
): DecodedMessages {
  const body = readJsonObject(bytes);
  refuseElsewhere(body);
  const messages = decodeMessages(body['system'], body['messages']);
  const prefill = prefillOf(messages);
  const thinking = decodeThinking(body['thinking'], prefill !== undefined, body['chat_template_kwargs']);
  const chat = {
    ...engineFields(body),
    ...sampling(body),
    ...(isGiven(body['model']) && { model: textAt(body['model'], 'model') }),
    ...bound(body, use),
    ...(isGiven(body['stream']) && { stream: flagAt(body['stream'], 'stream') }),
    messages,
    ...decodeTools(body),
    ...decodeOutput(body),
    ...thinking.chat,
  };
  const metadata = isGiven(body['metadata']) ? fieldsAt(body['metadata'], 'metadata') : undefined;
  return {
    facts: readChatFacts(metadata === undefined ? chat : { ...chat, metadata }, header),
    chat,
    ignored: Object.keys(body).filter((name) => !KNOWN.has(name) && isGiven(body[name])),
    showsThinking: thinking.isShown,
    prefill: prefill ?? '',
  };
}

/** Fields with an effect on the answer or on routing, and those whose effect is had without asking (caching). */
const KNOWN = new Set([
  'model',
  'max_tokens',
  'messages',
  'system',
  'stream',
  'stop_sequences',
  'temperature',
  'top_p',
  'top_k',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'output_format',
  'metadata',
  'service_tier',
  'cache_control',
]);

/**
 * Fields of llama-server that Anthropic's language has no words for; they go to the engine as they are, and who has
 * no use for them says so itself.
 */
const OF_THE_ENGINE = [
  'seed',
  'min_p',
  'typical_p',
  'repeat_penalty',
  'repeat_last_n',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'ignore_eos',
  'cache_prompt',
  'chat_template_kwargs',
  'grammar',
] as const;
for (const name of OF_THE_ENGINE) KNOWN.add(name);

function engineFields(body: Fields): Fields {
  const given = OF_THE_ENGINE.filter((name) => isGiven(body[name]));
  return Object.fromEntries(given.map((name) => [name, body[name]]));
}

// These change what the answer is made of; an answer without them would be another one.
function refuseElsewhere(body: Fields): void {
  if (isGiven(body['container'])) {
    throw unsupported('container', "code is run in Anthropic's containers, which are not here; leave it out");
  }
  const servers = body['mcp_servers'];
  if (isGiven(servers) && listAt(servers, 'mcp_servers').length > 0) {
    throw unsupported('mcp_servers', 'MCP servers are called by the client here; offer their tools in tools');
  }
}

function sampling(body: Fields): Fields {
  const { temperature, top_p: topP, top_k: topK, stop_sequences: stops } = body;
  return {
    ...(isGiven(temperature) && { temperature: shareAt(temperature, 'temperature') }),
    ...(isGiven(topP) && { top_p: shareAt(topP, 'top_p') }),
    ...(isGiven(topK) && { top_k: countAt(topK, 'top_k', 0) }),
    ...(isGiven(stops) && decodeStops(stops)),
  };
}

// llama-server tells only a verbose request which of them it met.
function decodeStops(value: unknown): Fields {
  const stop = listAt(value, 'stop_sequences').map((text, index) => textAt(text, `stop_sequences[${index}]`));
  return stop.length === 0 ? {} : { stop, verbose: true };
}

function bound(body: Fields, use: MessagesUse): Fields {
  if (use === 'count') return {};
  return { max_tokens: countAt(body['max_tokens'], 'max_tokens', 1) };
}

type Thinking = { readonly chat: Fields; readonly isShown: boolean };

/**
 * `enabled` and `disabled` switch the template; `adaptive`, `between_tools` and no word at all leave it as the policy
 * has it. An answer the client has begun itself is only continued by engines when it has no thoughts.
 */
function decodeThinking(value: unknown, prefilled: boolean, given: unknown): Thinking {
  const keywords = isGiven(given) ? fieldsAt(given, 'chat_template_kwargs') : undefined;
  const template = (enable: boolean): Fields => ({ chat_template_kwargs: { ...keywords, enable_thinking: enable } });
  const quiet = prefilled && keywords?.['enable_thinking'] === undefined ? template(false) : {};
  if (!isGiven(value)) return { chat: quiet, isShown: true };
  const thinking = fieldsAt(value, 'thinking');
  const isShown = thinking['display'] !== 'omitted';
  switch (thinking['type']) {
    case 'disabled':
      return { chat: template(false), isShown };
    case 'adaptive':
    case 'between_tools':
      return { chat: quiet, isShown };
    case 'enabled':
      return {
        chat: {
          ...template(true),
          thinking_budget_tokens: countAt(thinking['budget_tokens'], 'thinking.budget_tokens', 1),
        },
        isShown,
      };
    default:
      throw wrong('thinking.type', '"enabled", "disabled", "adaptive" or "between_tools"', thinking['type']);
  }
}

// `output_format` is what `output_config.format` was called in a beta.
function decodeOutput(body: Fields): Fields {
  const config = isGiven(body['output_config']) ? fieldsAt(body['output_config'], 'output_config') : {};
  const [format, at] = isGiven(config['format'])
    ? [config['format'], 'output_config.format']
    : [body['output_format'], 'output_format'];
  const effort = config['effort'];
  if (isGiven(effort) && !EFFORTS.has(effort))
    throw wrong('output_config.effort', '"low", "medium", "high", "xhigh" or "max"', effort);
  return {
    ...(isGiven(effort) && { reasoning_effort: effort }),
    ...(isGiven(format) && { response_format: schemaFormat(format, at) }),
  };
}

const EFFORTS: ReadonlySet<unknown> = new Set(['low', 'medium', 'high', 'xhigh', 'max']);

function schemaFormat(value: unknown, at: string): Fields {
  const format = fieldsAt(value, at);
  if (format['type'] !== 'json_schema') throw wrong(`${at}.type`, '"json_schema"', format['type']);
  const schema = fieldsAt(format['schema'], `${at}.schema`);
  return { type: 'json_schema', json_schema: { name: 'output', strict: true, schema } };
}

function shareAt(value: unknown, at: string): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  throw wrong(at, 'a number from 0 to 1', value);
}

function countAt(value: unknown, at: string, least: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
  throw wrong(at, `an integer of at least ${least}`, value);
}

function flagAt(value: unknown, at: string): boolean {
  if (typeof value === 'boolean') return value;
  throw wrong(at, 'true or false', value);
}
