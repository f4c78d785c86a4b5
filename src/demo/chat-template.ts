/**
 * Control tokens of the demo models' chat format; `answer` and `call` end the prompt and decide what follows.
 * Not `<|call|>`: llama.cpp knows that name from another model and takes it for an end of generation.
 */
export const controlTokens = {
  unknown: '<unk>',
  begin: '<s>',
  turn: '<|im_start|>',
  end: '<|im_end|>',
  answer: '<|answer|>',
  call: '<|use_tool|>',
} as const;

/** Texts that frame a tool call in the reply; llama-server's parser learns them from the template. */
export const toolCallFrame = { open: '<tool_call>\n', close: '\n</tool_call>' } as const;

/**
 * The demo models' chat template (Jinja, in the GGUF metadata): ChatML with system, user, assistant and tool turns.
 *
 * The generation prompt ends with one of two control tokens. A model that only looks at the last token can then still
 * do the right thing: call the tool when tools are offered and the user has just spoken, answer otherwise. The tools
 * themselves are printed because the parser looks for them, and because real models read them too.
 */
export const chatTemplate = `{%- if tools %}
{{- '<|im_start|>system\\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
{{- 'Tools:' }}
{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}
{{- '\\nA call is written as\\n<tool_call>\\n{"name": <name>, "arguments": <object>}\\n</tool_call><|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'system' and loop.first %}
{%- elif message.role == 'assistant' %}
{{- '<|im_start|>assistant\\n<|answer|>' }}
{%- if message.content %}{{- message.content }}{%- endif %}
{%- if message.tool_calls %}
{%- for tool_call in message.tool_calls %}
{%- set call = tool_call.function if tool_call.function else tool_call %}
{{- '<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}
{%- if call.arguments is string %}{{- call.arguments }}{%- else %}{{- call.arguments | tojson }}{%- endif %}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>tool\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if tools and messages[-1].role != 'tool' %}{{- '<|use_tool|>' }}{%- else %}{{- '<|answer|>' }}{%- endif %}
{%- endif %}
`;
