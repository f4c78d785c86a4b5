import { type Fields, fieldsAt, isGiven, listAt, textAt, unsupported, wrong } from './fields.ts';

/** A function in the chat language. */
type ChatTool = {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string;
    readonly parameters: Fields;
    readonly strict?: boolean;
  };
};

/** The fields of a chat completion that say which tools there are and which may be called. */
export type ChatTools = {
  readonly tools?: readonly ChatTool[];
  readonly tool_choice?: 'auto' | 'required' | 'none';
  readonly parallel_tool_calls?: false;
};

/**
 * Reads `tools` and `tool_choice`. Where the client insists on one tool, only that one is offered and a call is
 * required, which every engine understands. Throws `invalid_request`, or `unsupported_feature` for a tool that only
 * Anthropic's servers or models have.
 */
export function decodeTools(body: Fields): ChatTools {
  const tools = isGiven(body['tools']) ? listAt(body['tools'], 'tools').map(decodeTool) : [];
  if (!isGiven(body['tool_choice'])) return tools.length === 0 ? {} : { tools };
  const choice = fieldsAt(body['tool_choice'], 'tool_choice');
  const one = choice['disable_parallel_tool_use'];
  if (isGiven(one) && typeof one !== 'boolean')
    throw wrong('tool_choice.disable_parallel_tool_use', 'true or false', one);
  if (tools.length === 0) return noTools(choice);
  return { ...choose(choice, tools), ...(one === true && { parallel_tool_calls: false }) };
}

function decodeTool(value: unknown, index: number): ChatTool {
  const at = `tools[${index}]`;
  const tool = fieldsAt(value, at);
  const type = tool['type'];
  const name = typeof tool['name'] === 'string' ? tool['name'] : '';
  if (isGiven(type) && type !== 'custom') {
    throw unsupported(
      at,
      `tool ${name} of type "${String(type).slice(0, 60)}" needs Anthropic's servers or models; define it by name and input_schema`,
    );
  }
  if (name === '') throw wrong(`${at}.name`, 'a name', tool['name']);
  const { description, strict } = tool;
  return {
    type: 'function',
    function: {
      name,
      ...(isGiven(description) && { description: textAt(description, `${at}.description`) }),
      parameters: fieldsAt(tool['input_schema'], `${at}.input_schema`),
      ...(strict === true && { strict }),
    },
  };
}

function choose(choice: Fields, tools: readonly ChatTool[]): ChatTools {
  switch (choice['type']) {
    case 'auto':
      return { tools, tool_choice: 'auto' };
    case 'any':
      return { tools, tool_choice: 'required' };
    case 'none':
      return { tools, tool_choice: 'none' };
    case 'tool': {
      const name = textAt(choice['name'], 'tool_choice.name');
      const chosen = tools.filter((tool) => tool.function.name === name);
      if (chosen.length === 0) throw wrong('tool_choice.name', 'the name of one of tools', name);
      return { tools: chosen, tool_choice: 'required' };
    }
    default:
      throw wrong('tool_choice.type', '"auto", "any", "tool" or "none"', choice['type']);
  }
}

function noTools(choice: Fields): ChatTools {
  const { type } = choice;
  if (type === 'auto' || type === 'none') return {};
  throw wrong('tools', 'at least one tool, because tool_choice asks for a call', undefined);
}
