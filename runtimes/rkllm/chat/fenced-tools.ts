import type { ChatMessage, ChatTool } from './messages.ts';

const RULES = [
  'You may call functions. To call one, answer with a fenced block and nothing else:',
  '```tool_code',
  '{"name": "<function name>", "arguments": {<argument name>: <value>}}',
  '```',
  'Call only functions listed here, one block per call. Their results follow in the next message.',
  'Functions, as JSON:',
].join('\n');

/**
 * Puts tools into words for a model whose template has no place for them (Gemma, plain ChatML): definitions and the
 * rule for calling open the system text, past calls become the fenced block they were, results become user text.
 * Messages are returned as they are where no tool occurs.
 */
export function withFencedTools(messages: readonly ChatMessage[], tools: readonly ChatTool[]): readonly ChatMessage[] {
  const said = joinResults(messages);
  if (tools.length === 0) return said;
  const rules = `${RULES}\n${tools.map((tool) => JSON.stringify(tool.function)).join('\n')}`;
  const [first, ...rest] = said;
  if (first?.role !== 'system') return [{ role: 'system', content: rules }, ...said];
  return [{ ...first, content: `${first.content}\n\n${rules}` }, ...rest];
}

// Several results in a row become one user message, because such templates want the roles to alternate.
function joinResults(messages: readonly ChatMessage[]): ChatMessage[] {
  const said: ChatMessage[] = [];
  let results = false;
  for (const message of messages) {
    const isResult = message.role === 'tool';
    const last = said.at(-1);
    if (isResult && results && last !== undefined) {
      said[said.length - 1] = { ...last, content: `${last.content}\n${wordResult(message)}` };
    } else said.push(isResult ? { role: 'user', content: wordResult(message) } : wordCalls(message));
    results = isResult;
  }
  return said;
}

const wordResult = (message: ChatMessage): string =>
  `\`\`\`tool_output${message.name === undefined ? '' : ` ${message.name}`}\n${message.content}\n\`\`\``;

function wordCalls(message: ChatMessage): ChatMessage {
  const calls = message.tool_calls ?? [];
  if (calls.length === 0) return message;
  const blocks = calls.map(
    (call) =>
      `\`\`\`tool_code\n${JSON.stringify({ name: call.function.name, arguments: call.function.arguments })}\n\`\`\``,
  );
  return { role: 'assistant', content: [message.content, ...blocks].filter((text) => text !== '').join('\n') };
}
