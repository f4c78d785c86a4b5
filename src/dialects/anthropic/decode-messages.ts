import { type ChatCall, type ChatPart, type ChatToolResult, decodeContent, decodeTexts } from './decode-content.ts';
import { fieldsAt, isGiven, listAt, wrong } from './fields.ts';

/** A message in the chat language. */
export type ChatMessage =
  | { readonly role: 'system'; readonly content: string }
  | { readonly role: 'user'; readonly content: string | readonly ChatPart[] }
  | {
      readonly role: 'assistant';
      readonly content: string | readonly ChatPart[];
      readonly reasoning_content?: string;
      readonly tool_calls?: readonly ChatCall[];
    }
  | ChatToolResult;

/**
 * Brings `system` and `messages` into the chat language: one system message in front, a tool's results as messages of
 * their own before whatever else the same user message says. Throws `invalid_request` or `unsupported_feature`, naming
 * the field.
 */
export function decodeMessages(system: unknown, value: unknown): readonly ChatMessage[] {
  const texts = isGiven(system) ? [...decodeTexts(system, 'system')] : [];
  const messages: ChatMessage[] = [];
  const list = listAt(value, 'messages');
  if (list.length === 0) throw wrong('messages', 'an array of at least one message', value);
  for (let index = 0; index < list.length; index += 1) {
    const at = `messages[${index}]`;
    const message = fieldsAt(list[index], at);
    const role = message['role'];
    if (role === 'user' || role === 'assistant') messages.push(...decodeMessage(message['content'], role, at));
    else if (role !== 'system') throw wrong(`${at}.role`, '"user", "assistant" or "system"', role);
    else if (messages.length === 0) texts.push(...decodeTexts(message['content'], `${at}.content`));
    else messages.push(laterInstruction(message['content'], `${at}.content`));
  }
  const text = texts
    .map(withoutBilling)
    .filter((part) => part !== '')
    .join('\n\n');
  return text === '' ? messages : [{ role: 'system', content: text }, ...messages];
}

/** The answer's beginning where the client wrote it itself; undefined where it did not. */
export function prefillOf(messages: readonly ChatMessage[]): string | undefined {
  const last = messages.at(-1);
  if (last?.role !== 'assistant') return undefined;
  return typeof last.content === 'string' ? last.content : '';
}

function decodeMessage(value: unknown, role: 'user' | 'assistant', at: string): readonly ChatMessage[] {
  const { parts, reasoning, calls, results } = decodeContent(value, role, `${at}.content`);
  const content = parts.every((part) => part.type === 'text') ? parts.map((part) => part.text).join('\n') : parts;
  if (role === 'user') return parts.length === 0 && results.length > 0 ? results : [...results, { role, content }];
  return [
    {
      role,
      content,
      ...(reasoning !== '' && { reasoning_content: reasoning }),
      ...(calls.length > 0 && { tool_calls: calls }),
    },
  ];
}

// Templates know a system message at the beginning only, and some refuse the request for one further on.
function laterInstruction(value: unknown, at: string): ChatMessage {
  return { role: 'user', content: `<system>\n${decodeTexts(value, at).join('\n\n')}\n</system>` };
}

// Claude Code's note to Anthropic's accounting, another one for each request: not for a model to read, and at the very
// beginning of the prompt it would make every cached prefix worthless.
const withoutBilling = (text: string): string => text.replace(/^x-anthropic-billing-header:[^\n]*\n?/, '');
