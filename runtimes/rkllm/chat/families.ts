import { friendlyName } from '../../../src/core/names.ts';

/** Chat families we carry a template for; the names the policy's `template` key may hold. */
export const FAMILIES = [
  'qwen2.5',
  'qwen3',
  'qwen3-instruct',
  'gemma3',
  'llama3',
  'smolvlm',
  'deepseek-r1',
  'chatml',
] as const;
/** One of {@link FAMILIES}. */
export type Family = (typeof FAMILIES)[number];

/** A family's template and the special tokens it names. */
export type FamilyTemplate = { readonly source: string; readonly bos: string; readonly eos: string };

/**
 * Which family a model belongs to, by its name: `Qwen_Qwen3-0.6B-w8a8.rkllm` → `qwen3`. Undefined where the name tells
 * nothing, because a wrong template makes a model talk nonsense without failing.
 */
export function familyOf(name: string): Family | undefined {
  const text = friendlyName(name);
  return NAMES.find(([, pattern]) => pattern.test(text))?.[0];
}

// Distilled models carry their base's name but not its template, so they come first; then Qwen3's variants that were
// trained without thoughts.
const NAMES: readonly (readonly [Family, RegExp])[] = [
  ['deepseek-r1', /deepseek-?r1/],
  ['qwen3-instruct', /qwen-?3(?!\.\d).*instruct/],
  ['qwen3', /qwen-?3(?!\.\d)/],
  ['qwen2.5', /qwen-?(2|2\.5)(?!\d)/],
  ['gemma3', /gemma-?3/],
  ['llama3', /llama-?3/],
  ['smolvlm', /smolvlm/],
  ['chatml', /smollm|tinyllama.*chatml|internvl|openhermes|chatml/],
];

// Tools are told and results fed back as Qwen's own templates do: the definitions one JSON per line between <tools>
// tags, calls between <tool_call> tags, successive results inside one user turn.
const TOOL_RULES = `# Tools\\n\\nYou may call one or more functions to assist with the user query.\\n\\nYou are provided with function signatures within <tools></tools> XML tags:\\n<tools>`;
const TOOL_RULES_END = `\\n</tools>\\n\\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\\n<tool_call>\\n{\\"name\\": <function-name>, \\"arguments\\": <args-json-object>}\\n</tool_call>`;

const CALLS = `{%- for call in message.tool_calls or [] -%}
{%- if not loop.first or text %}{{ '\\n' }}{% endif -%}
{{ '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{%- if call.function.arguments is string %}{{ call.function.arguments }}{% else %}{{ call.function.arguments | tojson }}{% endif -%}
{{ '}\\n</tool_call>' }}
{%- endfor -%}`;

const RESULT = `{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{ '<|im_start|>user' }}{% endif -%}
{{ '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{ '<|im_end|>\\n' }}{% endif -%}`;

/** Qwen's dialect of ChatML. `fallbackSystem` is said where the client gave no system text; `thinks` as Qwen3 does. */
const qwen = (fallbackSystem: string, thinks: boolean): string =>
  `{%- set system = messages[0].content if messages[0].role == 'system' else '${fallbackSystem}' -%}
{%- if system or tools -%}
{{ '<|im_start|>system\\n' + system }}
{%- if tools -%}
{{ ('\\n\\n' if system else '') + "${TOOL_RULES}" }}
{%- for tool in tools %}{{ '\\n' + (tool | tojson) }}{% endfor -%}
{{ "${TOOL_RULES_END}" }}
{%- endif -%}
{{ '<|im_end|>\\n' }}
{%- endif -%}
${thinks ? LAST_QUERY : ''}
{%- for message in messages -%}
{%- if message.role == 'tool' -%}
${RESULT}
{%- elif message.role == 'assistant' -%}
{%- set text = message.content -%}
${thinks ? OWN_THOUGHTS : `{{ '<|im_start|>assistant\\n' + text }}`}
${CALLS}
{{ '<|im_end|>\\n' }}
{%- elif not (loop.first and message.role == 'system') -%}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\\n' }}
${thinks ? `{%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif -%}` : ''}
{%- endif -%}`;

// Qwen3 keeps thoughts only after the last real question: those of answered questions are dropped from the history.
const LAST_QUERY = `{%- set ns = namespace(last=-1) -%}
{%- for message in messages -%}{%- if message.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}`;
const OWN_THOUGHTS = `{%- set thoughts = message.reasoning_content or '' -%}
{%- if not thoughts and '</think>' in text -%}
{%- set thoughts = text.split('</think>')[0].split('<think>')[-1] -%}
{%- set text = text.split('</think>')[-1].lstrip('\\n') -%}
{%- endif -%}
{{ '<|im_start|>assistant\\n' }}
{%- if loop.index0 > ns.last and (loop.last or thoughts) %}{{ '<think>\\n' + thoughts.strip() + '\\n</think>\\n\\n' }}{% endif -%}
{{ text }}`;

const CHATML = `{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}`;

// Board notes of a working SmolVLM: prefix "<|im_start|>User:", postfix "<end_of_utterance>\nAssistant:".
const SMOLVLM = `{{ '<|im_start|>' }}
{%- for message in messages -%}
{{ message.role | capitalize + ': ' + message.content + '<end_of_utterance>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ 'Assistant:' }}{% endif -%}`;

// Gemma has no system turn: its text opens the first user turn.
const GEMMA = `{{ bos_token }}
{%- set system = messages[0].content + '\\n\\n' if messages[0].role == 'system' else '' -%}
{%- set ns = namespace(lead=system) -%}
{%- for message in messages -%}
{%- if not (loop.first and message.role == 'system') -%}
{{ '<start_of_turn>' + ('model' if message.role == 'assistant' else 'user') + '\\n' + ns.lead + (message.content | trim) + '<end_of_turn>\\n' }}
{%- set ns.lead = '' -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif -%}`;

const LLAMA = `{{ bos_token }}
{%- set system = messages[0].content | trim if messages[0].role == 'system' else '' -%}
{%- if system or tools -%}
{{ '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
{%- if tools %}{{ 'Environment: ipython\\n\\n' }}{% endif -%}
{{ system + '<|eot_id|>' }}
{%- endif -%}
{%- set ns = namespace(tools=tools) -%}
{%- for message in messages -%}
{%- if message.role == 'user' and ns.tools -%}
{{ '<|start_header_id|>user<|end_header_id|>\\n\\nGiven the following functions, please respond with a JSON for a function call with its proper arguments that best answers the given prompt.\\n\\nRespond in the format {"name": function name, "parameters": dictionary of argument name and its value}. Do not use variables.\\n\\n' }}
{%- for tool in ns.tools %}{{ tool | tojson(indent=4) + '\\n\\n' }}{% endfor -%}
{{ (message.content | trim) + '<|eot_id|>' }}
{%- set ns.tools = none -%}
{%- elif message.role == 'assistant' and message.tool_calls -%}
{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- for call in message.tool_calls -%}
{%- if not loop.first %}{{ '; ' }}{% endif -%}
{{ '{"name": "' + call.function.name + '", "parameters": ' }}
{%- if call.function.arguments is string %}{{ call.function.arguments }}{% else %}{{ call.function.arguments | tojson }}{% endif -%}
{{ '}' }}
{%- endfor -%}
{{ '<|eot_id|>' }}
{%- elif message.role == 'tool' -%}
{{ '<|start_header_id|>ipython<|end_header_id|>\\n\\n' + message.content + '<|eot_id|>' }}
{%- elif not (loop.first and message.role == 'system') -%}
{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + (message.content | trim) + '<|eot_id|>' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif -%}`;

// The model always thinks: the tag is opened for it. Thoughts of earlier answers are dropped.
const DEEPSEEK_R1 = `{{ bos_token }}
{%- if messages[0].role == 'system' %}{{ messages[0].content }}{% endif -%}
{%- for message in messages -%}
{%- if message.role == 'assistant' -%}
{{ '<｜Assistant｜>' + message.content.split('</think>')[-1] + '<｜end▁of▁sentence｜>' }}
{%- elif not (loop.first and message.role == 'system') -%}
{{ '<｜User｜>' + message.content }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif -%}`;

/** Our own short templates, written from each family's documented format; used where the model's own is not there. */
export const FAMILY_TEMPLATES: Readonly<Record<Family, FamilyTemplate>> = {
  'qwen2.5': {
    source: qwen('You are Qwen, created by Alibaba Cloud. You are a helpful assistant.', false),
    bos: '',
    eos: '<|im_end|>',
  },
  qwen3: { source: qwen('', true), bos: '', eos: '<|im_end|>' },
  'qwen3-instruct': { source: qwen('', false), bos: '', eos: '<|im_end|>' },
  gemma3: { source: GEMMA, bos: '<bos>', eos: '<end_of_turn>' },
  llama3: { source: LLAMA, bos: '<|begin_of_text|>', eos: '<|eot_id|>' },
  smolvlm: { source: SMOLVLM, bos: '', eos: '<end_of_utterance>' },
  'deepseek-r1': { source: DEEPSEEK_R1, bos: '<｜begin▁of▁sentence｜>', eos: '<｜end▁of▁sentence｜>' },
  chatml: { source: CHATML, bos: '', eos: '<|im_end|>' },
};
