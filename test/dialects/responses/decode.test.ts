import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { decodeResponses } from '../../../src/dialects/responses/decode.ts';

const decode = (body: object) => decodeResponses(Buffer.from(JSON.stringify(body)), () => undefined);
const messagesOf = (input: unknown, added: object = {}) => decode({ input, ...added }).chat['messages'];
const errorOf = (body: object): GatewayError => {
  try {
    decode(body);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('it was accepted');
};

const weather = {
  type: 'function',
  name: 'get_weather',
  description: 'Weather of a city.',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  strict: true,
};

describe('input', () => {
  it('may be a string', () => {
    expect(messagesOf('hi')).toEqual([{ role: 'user', content: 'hi' }]);
  });

  it('puts the instructions and leading system and developer messages into one system message', () => {
    const input = [
      { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'Sandbox: none.' }] },
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'hi' },
    ];
    expect(messagesOf(input, { instructions: 'You are Codex.' })).toEqual([
      { role: 'system', content: 'You are Codex.\n\nSandbox: none.\n\nBe brief.' },
      { role: 'user', content: 'hi' },
    ]);
  });

  it('keeps later developer messages in their place, as words of the user', () => {
    const input = [
      { role: 'user', content: 'hi' },
      { role: 'developer', content: 'Ask before you write.' },
    ];
    expect(messagesOf(input)).toEqual([
      { role: 'user', content: 'hi' },
      { role: 'user', content: 'Instructions from the developer:\nAsk before you write.' },
    ]);
  });

  it('makes one assistant message of thoughts, text and calls in a row, and tool messages of the outputs', () => {
    const input = [
      { role: 'user', content: 'Weather?' },
      { type: 'reasoning', id: 'rs_1', summary: [], content: [{ type: 'reasoning_text', text: 'Ask both.' }] },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'A moment.' }] },
      { type: 'function_call', call_id: 'a', name: 'get_weather', arguments: '{"city":"Ulm"}' },
      { type: 'custom_tool_call', call_id: 'b', name: 'apply_patch', input: '*** Begin' },
      { type: 'function_call_output', call_id: 'a', output: 'rain' },
      { type: 'custom_tool_call_output', call_id: 'b', output: [{ type: 'input_text', text: 'done' }] },
    ];
    expect(messagesOf(input)).toEqual([
      { role: 'user', content: 'Weather?' },
      {
        role: 'assistant',
        content: 'A moment.',
        reasoning_content: 'Ask both.',
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Ulm"}' } },
          { id: 'b', type: 'function', function: { name: 'apply_patch', arguments: '{"input":"*** Begin"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'a', content: 'rain' },
      { role: 'tool', tool_call_id: 'b', content: 'done' },
    ]);
    expect(decode({ input }).facts.inToolLoop).toBe(true);
  });

  it('drops thoughts of earlier turns, and those that another server has encrypted', () => {
    const input = [
      { role: 'user', content: 'one' },
      { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }] },
      { role: 'assistant', content: 'first' },
      { role: 'user', content: 'two' },
      { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'cut off' }] },
      { role: 'user', content: 'three' },
      { type: 'reasoning', summary: [], encrypted_content: 'gAAAA' },
      { role: 'assistant', content: 'third' },
    ];
    expect(messagesOf(input)).toEqual([
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'first' },
      { role: 'user', content: 'two' },
      { role: 'user', content: 'three' },
      { role: 'assistant', content: 'third', reasoning_content: '' },
    ]);
  });

  it('gives arguments that are no JSON back as a value, because an engine fails on them', () => {
    const input = [{ type: 'function_call', call_id: 'a', name: 'f', arguments: '{"city' }];
    expect(messagesOf(input)).toEqual([
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"invalid_json":"{\\"city"}' } }],
      },
    ]);
  });

  it('takes images and audio, which the facts count', () => {
    const content = [
      { type: 'input_text', text: 'What is this?' },
      { type: 'input_image', image_url: 'data:image/png;base64,AA==', detail: 'auto' },
    ];
    const { chat, facts } = decode({ input: [{ role: 'user', content }] });
    expect(chat['messages']).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==', detail: 'auto' } },
        ],
      },
    ]);
    expect(facts.imageCount).toBe(1);
  });

  it('leaves out what other servers ran by themselves, and says so', () => {
    const { chat, ignored } = decode({
      input: [
        { type: 'web_search_call', id: 'ws', status: 'completed' },
        { role: 'user', content: 'hi' },
      ],
    });
    expect(chat['messages']).toHaveLength(1);
    expect(ignored).toEqual(['input[0] (web_search_call)']);
  });

  it.each([
    ['input', {}, 'input'],
    ['input', { input: [] }, 'input'],
    ['input', { input: 7 }, 'input'],
    ['an item', { input: ['hi'] }, 'input[0]'],
    ['a role', { input: [{ role: 'robot', content: 'hi' }] }, 'input[0].role'],
    ['content', { input: [{ role: 'user' }] }, 'input[0].content'],
    [
      'a part',
      { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'x' }] }] },
      'input[0].content[0].type',
    ],
    [
      'an image by id',
      { input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'x' }] }] },
      'input[0].content[0].image_url',
    ],
    ['a text', { input: [{ role: 'user', content: [{ type: 'input_text' }] }] }, 'input[0].content[0].text'],
    ['an item type', { input: [{ type: 'computer_call' }] }, 'input[0].type'],
    ['a reference', { input: [{ type: 'item_reference', id: 'msg_1' }] }, 'input[0]'],
    [
      'an answer to nothing',
      { input: [{ type: 'function_call_output', call_id: 'z', output: '' }] },
      'input[0].call_id',
    ],
    [
      'an output',
      {
        input: [
          { type: 'function_call', call_id: 'z', name: 'f', arguments: '' },
          { type: 'function_call_output', call_id: 'z' },
        ],
      },
      'input[1].output',
    ],
    ['arguments', { input: [{ type: 'function_call', call_id: 'z', name: 'f', arguments: {} }] }, 'input[0].arguments'],
    ['instructions', { input: 'hi', instructions: 3 }, 'instructions'],
    ['previous_response_id', { input: 'hi', previous_response_id: 'resp_1' }, 'previous_response_id'],
    ['conversation', { input: 'hi', conversation: 'conv_1' }, 'conversation'],
    ['background', { input: 'hi', background: true }, 'background'],
    ['a stored prompt', { prompt: { id: 'pmpt_1' } }, 'prompt'],
    ['logprobs', { input: 'hi', include: ['message.output_text.logprobs'] }, 'include'],
    ['max_output_tokens', { input: 'hi', max_output_tokens: 0 }, 'max_output_tokens'],
    ['temperature', { input: 'hi', temperature: 'hot' }, 'temperature'],
    ['a format', { input: 'hi', text: { format: { type: 'xml' } } }, 'text.format.type'],
    ['a schema', { input: 'hi', text: { format: { type: 'json_schema', name: 'x' } } }, 'text.format.schema'],
    ['reasoning', { input: 'hi', reasoning: 'high' }, 'reasoning'],
    ['a tool', { input: 'hi', tools: [{ type: 'function' }] }, 'tools[0].name'],
    ['a hosted tool', { input: 'hi', tools: [weather, { type: 'code_interpreter' }] }, 'tools[1].type'],
    [
      'a nested namespace',
      { input: 'hi', tools: [{ type: 'namespace', name: 'a', tools: [{ type: 'namespace', name: 'b', tools: [] }] }] },
      'tools[0].tools[0].type',
    ],
    [
      'a chosen tool',
      { input: 'hi', tools: [weather], tool_choice: { type: 'function', name: 'nope' } },
      'tool_choice.name',
    ],
    ['a hosted choice', { input: 'hi', tools: [weather], tool_choice: { type: 'web_search' } }, 'tool_choice'],
    [
      'a choice without tools',
      { input: 'hi', tools: [{ type: 'web_search' }], tool_choice: 'required' },
      'tool_choice',
    ],
  ])('refuses %s by name', (_, body, param) => {
    const { code, message, details } = errorOf(body);
    expect(['invalid_request', 'unsupported_feature']).toContain(code);
    expect(details.param).toBe(param);
    expect(message).not.toMatch(/undefined|\[object/);
  });
});

describe('tools', () => {
  it('translates functions, and keeps how their calls are written', () => {
    const { chat, facts } = decode({
      input: 'hi',
      tools: [weather],
      tool_choice: { type: 'function', name: 'get_weather' },
      parallel_tool_calls: false,
    });
    const { name, type: _, ...described } = weather;
    expect(chat['tools']).toEqual([{ type: 'function', function: { name, ...described } }]);
    expect(chat['tool_choice']).toEqual({ type: 'function', function: { name } });
    expect(chat['parallel_tool_calls']).toBe(false);
    expect(facts.toolCount).toBe(1);
  });

  it('takes the set that Codex sends: what it can do without is left out and told, the rest can be called', () => {
    const patch = {
      type: 'custom',
      name: 'apply_patch',
      description: 'Edits files.',
      format: { type: 'grammar', syntax: 'lark', definition: 'start: x' },
    };
    const server = {
      type: 'namespace',
      name: 'mcp__github__',
      description: 'GitHub',
      tools: [{ type: 'function', name: 'search', parameters: { type: 'object', properties: {} } }],
    };
    const { chat, forms, ignored } = decode({
      input: 'hi',
      tools: [
        weather,
        patch,
        server,
        { type: 'web_search', external_web_access: false },
        { type: 'image_generation' },
        { type: 'tool_search', execution: 'client' },
      ],
      tool_choice: 'auto',
    });
    expect((chat['tools'] as { function: { name: string } }[]).map((tool) => tool.function.name)).toEqual([
      'get_weather',
      'apply_patch',
      'mcp__github__search',
    ]);
    expect((chat['tools'] as { function: { description: string } }[])[1]?.function.description).toBe(
      'Edits files.\n\nThe text must match this lark grammar:\nstart: x',
    );
    expect(forms.get('mcp__github__search')).toEqual({ kind: 'function', name: 'search', namespace: 'mcp__github__' });
    expect(ignored).toEqual([
      'tools[1].format (told to the model, not enforced)',
      'tools[3] (web_search)',
      'tools[4] (image_generation)',
      'tools[5] (tool_search)',
    ]);
  });

  it('tells the model of allowed tools only', () => {
    const other = { type: 'function', name: 'other' };
    const { chat } = decode({
      input: 'hi',
      tools: [weather, other],
      tool_choice: { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'other' }] },
    });
    expect(chat['tools']).toEqual([
      { type: 'function', function: { name: 'other', parameters: { type: 'object', properties: {} } } },
    ]);
    expect(chat['tool_choice']).toBe('required');
  });
});

describe('the other fields', () => {
  it('become their likes of a chat completion', () => {
    const { chat, facts, ignored } = decode({
      model: 'demo-4b',
      input: 'hi',
      stream: true,
      max_output_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
      seed: 4,
      reasoning: { effort: 'none', summary: 'auto' },
      text: { format: { type: 'json_schema', name: 'x', schema: { type: 'object' }, strict: true }, verbosity: 'low' },
      store: true,
      include: ['reasoning.encrypted_content'],
      metadata: { router_class: 'quality' },
      prompt_cache_key: 'k',
      truncation: 'auto',
      user: null,
      something_new: 1,
    });
    expect(chat).toEqual({
      model: 'demo-4b',
      messages: [{ role: 'user', content: 'hi' }],
      stream: true,
      max_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
      seed: 4,
      user: null,
      metadata: { router_class: 'quality' },
      reasoning_effort: 'none',
      chat_template_kwargs: { enable_thinking: false },
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' }, strict: true } },
    });
    expect(facts).toMatchObject({
      model: 'demo-4b',
      stream: true,
      maxTokens: 9,
      responseFormat: 'json_schema',
      reasoningEffort: 'none',
      classHint: { value: 'quality' },
    });
    expect(ignored).toEqual(['something_new', 'text.verbosity', 'reasoning.summary', 'truncation']);
  });
});
