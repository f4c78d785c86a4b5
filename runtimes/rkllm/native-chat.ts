import { GatewayError } from '../../src/core/errors.ts';
import type { ChatMessage } from './chat/messages.ts';
import type { Engine } from './engine.ts';
import type { GenerateMessage } from './protocol.ts';

/** Tag under which the library shows tool results to the model; the word of its own examples. */
const TOOL_TAG = 'tool_response';

/**
 * One turn by the library's own chat template (`template: runtime`): system text and tools go in by
 * rkllm_set_function_tools, the last message as the prompt, tool results as a JSON array with the role `tool` on top of
 * what the KV cache holds. Rejects with `unsupported_feature` for a conversation that this way cannot say.
 */
export async function nativeTurn(
  request: GenerateMessage,
  engine: Engine,
): Promise<{ readonly prompt: string; readonly role: 'user' | 'tool' }> {
  const [first, ...rest] = request.messages;
  const system = first?.role === 'system' ? first.content : '';
  const turns = first?.role === 'system' ? rest : request.messages;
  const results = trailingResults(turns);
  if (results.length > 0) {
    // The results alone go in: without the question and the calls in the cache they would answer nothing.
    const asked = request.messages.slice(0, -results.length - 1);
    if (engine.kv?.ended !== true || engine.kv.text !== conversationKey(asked)) throw unsaid();
    return { prompt: JSON.stringify(results.map(resultValue)), role: 'tool' };
  }
  const [only, ...more] = turns;
  if (only === undefined || only.role !== 'user' || more.length > 0) {
    throw unsaid();
  }
  await tellTools(engine, system, request.tools.length === 0 ? '' : JSON.stringify(request.tools));
  return { prompt: only.content, role: 'user' };
}

/** What the KV cache holds after a turn by the library's own template: the messages, not their text, which we never see. */
export const conversationKey = (messages: readonly ChatMessage[]): string => JSON.stringify(messages);

/** System text and tools stay set until others are, so what has been said is remembered. */
const told = new WeakMap<Engine, string>();

async function tellTools(engine: Engine, system: string, tools: string): Promise<void> {
  const both = JSON.stringify([system, tools]);
  if (both === (told.get(engine) ?? JSON.stringify(['', '']))) return;
  const code = await engine.handle.setFunctionTools(system, tools, TOOL_TAG);
  if (code !== 0) throw new GatewayError('runtime_failed', `rkllm_set_function_tools returned ${code}`);
  told.set(engine, both);
}

const unsaid = (): GatewayError =>
  new GatewayError(
    'unsupported_feature',
    'with template: runtime this model takes a system text and one user message, or the results of the tools it has ' +
      'just called; set settings.template to a family or a file for whole conversations',
    { param: 'messages' },
  );

function trailingResults(turns: readonly ChatMessage[]): readonly ChatMessage[] {
  const lastOther = turns.findLastIndex((message) => message.role !== 'tool');
  return turns.slice(lastOther + 1);
}

function resultValue(message: ChatMessage): unknown {
  try {
    return JSON.parse(message.content);
  } catch {
    // A tool may answer in plain words.
    return message.content;
  }
}
