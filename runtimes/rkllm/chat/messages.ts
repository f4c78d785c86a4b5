import { GatewayError } from '../../../src/core/errors.ts';

/** A message as chat templates expect it: content is text, call arguments are values. */
export type ChatMessage = {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  /** Thoughts of an earlier answer, where the client sent them back. */
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly ChatToolCall[];
  readonly tool_call_id?: string;
  /** Name of the tool a result comes from. */
  readonly name?: string;
};

/** One call an assistant message made. `arguments` is the parsed object, or the text where it was no JSON. */
export type ChatToolCall = {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: unknown };
};

/** A tool as OpenAI describes it. */
export type ChatTool = {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly description?: string; readonly parameters?: unknown };
};

type Fields = Readonly<Record<string, unknown>>;

/**
 * Brings the `messages` of an OpenAI chat request, already checked by the dialect, into the form chat templates expect:
 * text parts joined, `developer` read as `system`, call arguments parsed, results given the name of the tool called.
 * Throws `unsupported_feature` for a part that is not text.
 */
export function readChatMessages(messages: readonly unknown[]): readonly ChatMessage[] {
  const namesByCall = new Map<string, string>();
  return messages.map((message, index) => {
    const fields = message as Fields;
    const calls = readToolCalls(fields['tool_calls']);
    for (const call of calls ?? []) namesByCall.set(call.id, call.function.name);
    const callId = textOf(fields['tool_call_id']);
    const name = textOf(fields['name']) ?? (callId === undefined ? undefined : namesByCall.get(callId));
    const reasoning = textOf(fields['reasoning_content']);
    return {
      role: readRole(fields['role']),
      content: readContent(fields['content'], `messages[${index}].content`),
      ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
      ...(calls === undefined ? {} : { tool_calls: calls }),
      ...(callId === undefined ? {} : { tool_call_id: callId }),
      ...(name === undefined ? {} : { name }),
    };
  });
}

/** The function tools of an OpenAI chat request; empty where it has none or `tool_choice` is `none`. */
export function readChatTools(tools: unknown, toolChoice?: unknown): readonly ChatTool[] {
  if (!Array.isArray(tools) || toolChoice === 'none') return [];
  const chosen = isFields(toolChoice) && isFields(toolChoice['function']) ? toolChoice['function']['name'] : undefined;
  const functions = tools.filter((tool): tool is ChatTool => isFields(tool) && tool['type'] === 'function');
  return chosen === undefined ? functions : functions.filter((tool) => tool.function.name === chosen);
}

function readRole(role: unknown): ChatMessage['role'] {
  if (role === 'developer') return 'system';
  if (role === 'function') return 'tool';
  return role as ChatMessage['role'];
}

function readContent(content: unknown, at: string): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: Fields, index) => readPart(part, `${at}[${index}]`)).join('');
}

function readPart(part: Fields, at: string): string {
  if (typeof part['text'] === 'string') return part['text'];
  if (part['type'] === 'refusal' && typeof part['refusal'] === 'string') return part['refusal'];
  throw new GatewayError(
    'unsupported_feature',
    `${at} is of type ${JSON.stringify(part['type'])}, but this model reads text only; send text parts`,
    { param: at },
  );
}

function readToolCalls(calls: unknown): readonly ChatToolCall[] | undefined {
  if (!Array.isArray(calls) || calls.length === 0) return undefined;
  return calls.filter(isFields).map((call, index) => {
    const called = isFields(call['function']) ? call['function'] : {};
    return {
      id: textOf(call['id']) ?? `call_${index}`,
      type: 'function',
      function: { name: textOf(called['name']) ?? '', arguments: parsedOrText(called['arguments']) },
    };
  });
}

// Templates write arguments with `tojson`: a string would come out quoted twice.
function parsedOrText(value: unknown): unknown {
  if (typeof value !== 'string') return value ?? {};
  if (value.trim() === '') return {};
  try {
    return JSON.parse(value);
  } catch {
    // The model wrote broken arguments and the client sent them back: they are shown as they were.
    return value;
  }
}

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
