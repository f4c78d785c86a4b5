import { describe, expect, it } from 'vitest';
import { readChatMessages, readChatTools } from '../../../../runtimes/rkllm/chat/messages.ts';

describe('readChatMessages', () => {
  it('joins text parts and reads developer as system', () => {
    const content = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ];
    expect(readChatMessages([{ role: 'developer', content }])).toEqual([{ role: 'system', content: 'ab' }]);
  });

  it('parses call arguments and gives results their tool’s name', () => {
    const calls = [{ id: 'c1', type: 'function', function: { name: 'add', arguments: '{"x":1}' } }];
    const [asked, result] = readChatMessages([
      { role: 'assistant', content: null, tool_calls: calls },
      { role: 'tool', tool_call_id: 'c1', content: '3' },
    ]);
    expect(asked).toMatchObject({ content: '', tool_calls: [{ function: { name: 'add', arguments: { x: 1 } } }] });
    expect(result).toEqual({ role: 'tool', content: '3', tool_call_id: 'c1', name: 'add' });
  });

  it('keeps arguments that are no JSON, and reads none as an empty object', () => {
    const call = (given: string) => ({ id: 'a', function: { name: 'f', arguments: given } });
    const [message] = readChatMessages([{ role: 'assistant', tool_calls: [call('{x'), call('')] }]);
    expect(message?.tool_calls?.map((made) => made.function.arguments)).toEqual(['{x', {}]);
  });

  it('refuses an image by its place', () => {
    const content = [
      { type: 'text', text: 'see' },
      { type: 'image_url', image_url: { url: 'data:' } },
    ];
    expect(() => readChatMessages([{ role: 'user', content }])).toThrow(
      expect.objectContaining({ code: 'unsupported_feature', details: { param: 'messages[0].content[1]' } }),
    );
  });
});

describe('readChatTools', () => {
  const tools = ['a', 'b'].map((name) => ({ type: 'function', function: { name } }));

  it('keeps functions only', () => {
    expect(readChatTools([...tools, { type: 'custom' }])).toEqual(tools);
    expect(readChatTools(undefined)).toEqual([]);
  });

  it('obeys tool_choice', () => {
    expect(readChatTools(tools, 'none')).toEqual([]);
    expect(readChatTools(tools, 'auto')).toEqual(tools);
    expect(readChatTools(tools, { type: 'function', function: { name: 'b' } })).toEqual([tools[1]]);
  });
});
