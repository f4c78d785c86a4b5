import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FAMILIES, familyOf } from '../../../../runtimes/rkllm/chat/families.ts';
import type { ChatMessage, ChatTool } from '../../../../runtimes/rkllm/chat/messages.ts';
import {
  familyTemplate,
  loadChatTemplate,
  type PromptRequest,
  renderPrefix,
  renderPrompt,
} from '../../../../runtimes/rkllm/chat/render.ts';
import { temporaryFolder } from '../../../helpers/temporary-folder.ts';

const system = (content: string): ChatMessage => ({ role: 'system', content });
const user = (content: string): ChatMessage => ({ role: 'user', content });
const said = (content: string): ChatMessage => ({ role: 'assistant', content });
const TOOL: ChatTool = { type: 'function', function: { name: 'add', parameters: { type: 'object' } } };
const LOOP: readonly ChatMessage[] = [
  user('1+2, 3+4?'),
  {
    role: 'assistant',
    content: '',
    tool_calls: [
      { id: 'a', type: 'function', function: { name: 'add', arguments: { x: 1, y: 2 } } },
      { id: 'b', type: 'function', function: { name: 'add', arguments: '{"x":3}' } },
    ],
  },
  { role: 'tool', content: '3', name: 'add' },
  { role: 'tool', content: '7' },
];
const CHAT = [system('Be brief.'), user('Hi'), said('Hello!'), user('Bye')];

const prompt = (family: (typeof FAMILIES)[number], request: PromptRequest): string =>
  renderPrompt(familyTemplate(family), request).prompt;

const QWEN_TOOLS =
  '# Tools\n\nYou may call one or more functions to assist with the user query.\n\n' +
  'You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n' +
  '{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}\n</tools>\n\n' +
  'For each function call, return a json object with function name and arguments within <tool_call></tool_call> ' +
  'XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call><|im_end|>\n';
const QWEN_LOOP =
  '<|im_start|>user\n1+2, 3+4?<|im_end|>\n<|im_start|>assistant\n' +
  '<tool_call>\n{"name": "add", "arguments": {"x": 1, "y": 2}}\n</tool_call>\n' +
  '<tool_call>\n{"name": "add", "arguments": {"x":3}}\n</tool_call><|im_end|>\n' +
  '<|im_start|>user\n<tool_response>\n3\n</tool_response>\n<tool_response>\n7\n</tool_response><|im_end|>\n' +
  '<|im_start|>assistant\n';
const CHATML =
  '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n' +
  '<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n';

describe('the families’ templates', () => {
  it('Qwen2.5 and ChatML write turns between im_start and im_end', () => {
    expect(prompt('qwen2.5', { messages: CHAT })).toBe(CHATML);
    expect(prompt('chatml', { messages: CHAT })).toBe(CHATML);
  });

  it('Qwen2.5 introduces itself where the client gave no system text', () => {
    expect(prompt('qwen2.5', { messages: [user('Hi')] })).toBe(
      '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' +
        '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    );
  });

  it('Qwen3 thinks unless told not to', () => {
    const messages = [user('Hi')];
    const open = '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n';
    expect(prompt('qwen3', { messages })).toBe(open);
    expect(prompt('qwen3', { messages, thinking: true })).toBe(open);
    expect(prompt('qwen3', { messages, thinking: false })).toBe(`${open}<think>\n\n</think>\n\n`);
  });

  it('Qwen3 drops the thoughts of answered questions', () => {
    const messages = [user('a'), said('<think>\nhm\n</think>\n\nb'), user('c')];
    expect(prompt('qwen3', { messages })).toBe(
      '<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n' +
        '<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n',
    );
  });

  it('Qwen3 keeps the thoughts of the question it is working on', () => {
    const [question, calls, ...results] = LOOP;
    const messages = [question!, { ...calls!, reasoning_content: 'two sums' }, ...results];
    expect(prompt('qwen3', { messages })).toBe(
      QWEN_LOOP.replace('assistant\n<tool', 'assistant\n<think>\ntwo sums\n</think>\n\n<tool'),
    );
  });

  it('Qwen is told its tools after the system text and fed their results', () => {
    expect(prompt('qwen3', { messages: LOOP, tools: [TOOL] })).toBe(`<|im_start|>system\n${QWEN_TOOLS}${QWEN_LOOP}`);
    expect(prompt('qwen2.5', { messages: [system('S'), ...LOOP], tools: [TOOL] })).toBe(
      `<|im_start|>system\nS\n\n${QWEN_TOOLS}${QWEN_LOOP}`,
    );
  });

  it('Gemma 3 takes the system text into the first turn', () => {
    expect(prompt('gemma3', { messages: CHAT })).toBe(
      '<bos><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello!<end_of_turn>\n' +
        '<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n',
    );
  });

  it('Gemma 3 is told its tools in words, and results become user text', () => {
    const text = prompt('gemma3', { messages: LOOP, tools: [TOOL] });
    expect(text).toContain('{"name":"add","parameters":{"type":"object"}}\n\n1+2, 3+4?<end_of_turn>');
    expect(text).toContain('```tool_code\n{"name":"add","arguments":{"x":1,"y":2}}\n```\n```tool_code\n');
    expect(text).toContain('<start_of_turn>user\n```tool_output add\n3\n```\n```tool_output\n7\n```<end_of_turn>');
  });

  it('Llama 3 names the speaker in headers', () => {
    expect(prompt('llama3', { messages: CHAT })).toBe(
      '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>' +
        '<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>' +
        '<|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|>' +
        '<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>' +
        '<|start_header_id|>assistant<|end_header_id|>\n\n',
    );
  });

  it('Llama 3 gets tools before the first question and results as ipython', () => {
    const text = prompt('llama3', { messages: LOOP, tools: [TOOL] });
    expect(text).toContain('system<|end_header_id|>\n\nEnvironment: ipython\n\n<|eot_id|>');
    expect(text).toContain('"name": "add"');
    expect(text).toContain('{"name": "add", "parameters": {"x": 1, "y": 2}}; {"name": "add", "parameters": {"x":3}}');
    expect(text).toContain('<|start_header_id|>ipython<|end_header_id|>\n\n3<|eot_id|>');
  });

  it('SmolVLM ends every turn with end_of_utterance', () => {
    expect(prompt('smolvlm', { messages: CHAT })).toBe(
      '<|im_start|>System: Be brief.<end_of_utterance>\nUser: Hi<end_of_utterance>\nAssistant: Hello!' +
        '<end_of_utterance>\nUser: Bye<end_of_utterance>\nAssistant:',
    );
  });

  it('Qwen3 without thoughts gets no empty ones', () => {
    expect(prompt('qwen3-instruct', { messages: [user('Hi')], thinking: false })).toBe(
      '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    );
    expect(familyTemplate('qwen3-instruct').thinking).toBe('none');
  });

  it('DeepSeek R1 starts its answer with thoughts and forgets those of earlier ones', () => {
    const messages = [system('S'), user('a'), said('<think>hm</think>b'), user('c')];
    expect(renderPrompt(familyTemplate('deepseek-r1'), { messages })).toEqual({
      prompt:
        '<｜begin▁of▁sentence｜>S<｜User｜>a<｜Assistant｜>b<｜end▁of▁sentence｜><｜User｜>c<｜Assistant｜><think>\n',
      startsThinking: true,
    });
  });

  it.each(FAMILIES)('%s asks for no answer when told so', (family) => {
    const whole = prompt(family, { messages: CHAT, thinking: true });
    const turns = prompt(family, { messages: CHAT, thinking: true, addGenerationPrompt: false });
    expect(whole.length).toBeGreaterThan(turns.length);
    expect(whole.startsWith(turns)).toBe(true);
  });
});

describe('familyOf', () => {
  it.each([
    ['Qwen_Qwen3-0.6B-w8a8-opt0-hybrid0-npu3-ctx16384-rk3588.rkllm', 'qwen3'],
    ['qwen2.5-coder-3b-w8a8', 'qwen2.5'],
    ['Qwen2-VL-2B.rkllm', 'qwen2.5'],
    ['gemma-3-1b-it', 'gemma3'],
    ['Llama-3.2-1B-Instruct', 'llama3'],
    ['SmolVLM-256M', 'smolvlm'],
    ['SmolLM2-360M', 'chatml'],
    ['DeepSeek-R1-Distill-Qwen-1.5B', 'deepseek-r1'],
    ['deepseek-coder-1.3b', undefined],
    ['qwen3-vl-2b-instruct_w8a8_rk3588.rkllm', 'qwen3-instruct'],
    ['Qwen3.5-2B', undefined],
    ['phi-3-mini', undefined],
  ])('%s → %s', (name, family) => {
    expect(familyOf(name)).toBe(family);
  });
});

describe('loadChatTemplate', () => {
  const template = (word: string) =>
    `{{ bos_token }}${word}{% for m in messages %}[{{ m.content }}]{% endfor %}{{ eos_token }}`;

  function modelIn(files: Readonly<Record<string, string>>, model = 'Qwen3-0.6B-w8a8.rkllm'): string {
    const folder = temporaryFolder();
    for (const [name, text] of Object.entries({ [model]: '', ...files })) {
      mkdirSync(join(folder, name, '..'), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    return join(folder, model);
  }

  const rendered = async (model: string, options = {}) =>
    renderPrompt(await loadChatTemplate(model, options), { messages: [user('x')] }).prompt;

  it('takes tokenizer_config.json beside the model, with its tokens as text or as objects', async () => {
    const config = { chat_template: template('A'), bos_token: { content: '<s>' }, eos_token: '</s>' };
    expect(await rendered(modelIn({ 'tokenizer_config.json': JSON.stringify(config) }))).toBe('<s>A[x]</s>');
  });

  it('prefers chat_template.jinja, with the tokens of the configuration', async () => {
    const config = { chat_template: template('A'), bos_token: '<s>', eos_token: null };
    const files = { 'tokenizer_config.json': JSON.stringify(config), 'chat_template.jinja': template('B') };
    expect(await rendered(modelIn(files))).toBe('<s>B[x]');
  });

  it('prefers files that carry the model’s own name', async () => {
    const files = { 'chat_template.jinja': template('B'), 'Qwen3-0.6B-w8a8.chat_template.jinja': template('C') };
    expect(await rendered(modelIn(files))).toBe('C[x]');
  });

  it('does not take a neighbour’s files', async () => {
    const files = { 'chat_template.jinja': template('B'), 'gemma-3-1b-w8a8.rkllm': '' };
    expect((await loadChatTemplate(modelIn(files))).origin).toBe('family qwen3');
  });

  it('shares files between builds of one model', async () => {
    const files = { 'chat_template.jinja': template('B'), 'Qwen3-0.6B-w8a8_g128.rkllm': '' };
    expect(await rendered(modelIn(files))).toBe('B[x]');
  });

  it('uses the named template for tools', async () => {
    const named = [
      { name: 'default', template: template('D') },
      { name: 'tool_use', template: `{% if tools %}<tool_call>T{% endif %}` },
    ];
    const model = modelIn({ 'tokenizer_config.json': JSON.stringify({ chat_template: named }) });
    const loaded = await loadChatTemplate(model);
    expect(renderPrompt(loaded, { messages: [user('x')] }).prompt).toBe('D[x]');
    expect(renderPrompt(loaded, { messages: [user('x')], tools: [TOOL] }).prompt).toBe('<tool_call>T');
  });

  it('gives parts to a template that walks over them', async () => {
    const walking =
      "{% for m in messages %}{% for p in m['content'] %}{% if p['type'] == 'text' %}<{{ p['text'] }}>{% endif %}{% endfor %}{% endfor %}";
    expect(await rendered(modelIn({ 'chat_template.json': JSON.stringify({ chat_template: walking }) }))).toBe('<x>');
  });

  it('takes a family or a file the policy names', async () => {
    const model = modelIn({ 'own.jinja': template('P') }, 'unheard-of.rkllm');
    expect((await loadChatTemplate(model, { template: 'ChatML' })).origin).toBe('family chatml');
    expect(await rendered(model, { template: join(model, '../own.jinja') })).toBe('P[x]');
  });

  it('takes the family of the name a stand-in gives', async () => {
    const model = modelIn({}, 'stand-in.rkllm');
    expect((await loadChatTemplate(model, { modelName: 'gemma-3-1b' })).origin).toBe('family gemma3');
  });

  it('says what to do where nothing is known', async () => {
    const model = modelIn({}, 'unheard-of.rkllm');
    await expect(loadChatTemplate(model)).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(/unheard-of\.rkllm.*tokenizer_config\.json.*chatml/),
    });
    await expect(loadChatTemplate(model, { template: 'nope' })).rejects.toThrow(/nope is neither a readable file nor/);
  });

  it('names the file that does not parse', async () => {
    await expect(loadChatTemplate(modelIn({ 'chat_template.jinja': '{% if %}' }))).rejects.toThrow(
      /chat_template\.jinja does not parse/,
    );
    await expect(loadChatTemplate(modelIn({ 'tokenizer_config.json': '{' }))).rejects.toThrow(/is not JSON/);
  });

  it('passes on why a template refuses a conversation', async () => {
    const refusing =
      "{% if messages | length > 1 %}{{ raise_exception('one only') }}{% endif %}{{ messages[0].content }}";
    const loaded = await loadChatTemplate(modelIn({ 'chat_template.jinja': refusing }));
    expect(() => renderPrompt(loaded, { messages: CHAT })).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringMatching(/one only/) }),
    );
  });

  it('knows what a template’s text tells about thinking and tools', async () => {
    const loaded = await loadChatTemplate(
      modelIn({
        'chat_template.jinja': "{{ messages[0].content }}{% if add_generation_prompt %}{{ '<think>\\n' }}{% endif %}",
      }),
    );
    expect(loaded).toMatchObject({ thinking: 'always', toolFormat: 'fenced' });
    expect(renderPrompt(loaded, { messages: [user('x')] })).toEqual({ prompt: 'x<think>\n', startsThinking: true });
    expect(familyTemplate('qwen3')).toMatchObject({ thinking: 'switch', toolFormat: 'hermes' });
    expect(familyTemplate('llama3')).toMatchObject({ thinking: 'none', toolFormat: 'llama3' });
  });
});

describe('renderPrefix', () => {
  it.each(FAMILIES)('%s: every prompt with this system text starts with it', (family) => {
    const template = familyTemplate(family);
    const prefix = renderPrefix(template, { messages: CHAT, tools: [TOOL] });
    expect(prefix).toContain('Be brief.');
    for (const messages of [CHAT, [CHAT[0]!, user('something else')]]) {
      expect(renderPrompt(template, { messages, tools: [TOOL] }).prompt.startsWith(prefix!)).toBe(true);
    }
  });

  it('is undefined where nothing stands before the first question', () => {
    expect(renderPrefix(familyTemplate('qwen3'), { messages: [user('Hi')] })).toBeUndefined();
  });
});
