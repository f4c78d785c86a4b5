import type { CallForm } from './tools.ts';
import { CUSTOM_INPUT } from './tools.ts';

/** How an output item ended, or that it has not. */
export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

/** A call the model makes, in the client's words. */
export type Call = { readonly id: string; readonly callId: string; readonly form: CallForm };

/** Text of the answer. An item that has just begun has no parts yet. */
export const messageItem = (id: string, text: string | undefined, status: ItemStatus): object => ({
  id,
  type: 'message',
  status,
  role: 'assistant',
  content: text === undefined ? [] : [textPart(text)],
});

/** The one part of a message. */
export const textPart = (text: string): object => ({ type: 'output_text', text, annotations: [], logprobs: [] });

/** The model's thoughts, whole; a summary of them would need another model. */
export const reasoningItem = (id: string, text: string | undefined, status: ItemStatus): object => ({
  id,
  type: 'reasoning',
  status,
  summary: [],
  content: text === undefined ? [] : [reasoningPart(text)],
});

/** The one part of a reasoning item. */
export const reasoningPart = (text: string): object => ({ type: 'reasoning_text', text });

/** A call with its arguments (JSON text as the model wrote it) or, of a custom tool, its free text. */
export function callItem({ id, callId, form }: Call, text: string, status: ItemStatus): object {
  const { name, namespace } = form;
  const named = { call_id: callId, name, ...(namespace !== undefined && { namespace }) };
  return form.kind === 'custom'
    ? { id, type: 'custom_tool_call', status, ...named, input: text }
    : { id, type: 'function_call', status, ...named, arguments: text };
}

/** Text of a custom tool's call; the arguments as they are where the model did not write what it was told to. */
export function customInput(argumentsText: string): string {
  try {
    const value: unknown = JSON.parse(argumentsText);
    const input =
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[CUSTOM_INPUT] : value;
    return typeof input === 'string' ? input : argumentsText;
  } catch {
    return argumentsText;
  }
}

/** How a call of a tool is written; a name that is none of the request's tools is written as it is. */
export const formOf = (forms: ReadonlyMap<string, CallForm>, name: string): CallForm =>
  forms.get(name) ?? { kind: 'function', name, namespace: undefined };
