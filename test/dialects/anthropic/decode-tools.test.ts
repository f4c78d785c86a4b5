import { describe, expect, it } from 'vitest';
import { decodeTools } from '../../../src/dialects/anthropic/decode-tools.ts';

const schema = { type: 'object', properties: {} };
const look = { name: 'look', description: 'Looks', input_schema: schema, cache_control: { type: 'ephemeral' } };
const hear = { type: 'custom', name: 'hear', input_schema: schema, strict: true };
const chatLook = { type: 'function', function: { name: 'look', description: 'Looks', parameters: schema } };
const chatHear = { type: 'function', function: { name: 'hear', parameters: schema, strict: true } };
const tools = [look, hear];

describe('decodeTools', () => {
  it('writes tools as functions', () => {
    expect(decodeTools({ tools })).toEqual({ tools: [chatLook, chatHear] });
    expect(decodeTools({ tools: [] })).toEqual({});
    expect(decodeTools({ tools: null, tool_choice: null })).toEqual({});
  });

  it.each([
    ['auto', 'auto'],
    ['any', 'required'],
    ['none', 'none'],
  ])('translates the choice %s to %s', (type, choice) => {
    expect(decodeTools({ tools, tool_choice: { type } })).toEqual({ tools: [chatLook, chatHear], tool_choice: choice });
  });

  it('offers only the tool that is insisted on, and requires a call', () => {
    expect(decodeTools({ tools, tool_choice: { type: 'tool', name: 'hear' } })).toEqual({
      tools: [chatHear],
      tool_choice: 'required',
    });
  });

  it('asks for one call at a time where the client does', () => {
    const choice = { type: 'auto', disable_parallel_tool_use: true };
    expect(decodeTools({ tools, tool_choice: choice })).toMatchObject({ parallel_tool_calls: false });
    expect(decodeTools({ tools, tool_choice: { ...choice, disable_parallel_tool_use: false } })).not.toHaveProperty(
      'parallel_tool_calls',
    );
  });

  it('lets a choice without tools be where it asks for nothing', () => {
    expect(decodeTools({ tool_choice: { type: 'auto' } })).toEqual({});
    expect(decodeTools({ tool_choice: { type: 'none' } })).toEqual({});
  });

  it.each([
    ['tools', { tool_choice: { type: 'any' } }],
    ['tools', { tools: {} }],
    ['tools[0]', { tools: ['look'] }],
    ['tools[0].name', { tools: [{ input_schema: schema }] }],
    ['tools[0].input_schema', { tools: [{ name: 'look' }] }],
    ['tools[0].description', { tools: [{ ...look, description: 7 }] }],
    ['tool_choice', { tools, tool_choice: 'auto' }],
    ['tool_choice.type', { tools, tool_choice: { type: 'required' } }],
    ['tool_choice.name', { tools, tool_choice: { type: 'tool', name: 'smell' } }],
    ['tool_choice.disable_parallel_tool_use', { tools, tool_choice: { type: 'auto', disable_parallel_tool_use: 1 } }],
  ])('refuses what is wrong at %s: %j', (param, body) => {
    expect(() => decodeTools(body)).toThrow(expect.objectContaining({ code: 'invalid_request', details: { param } }));
  });

  it('refuses tools that only Anthropic has, naming them', () => {
    const body = { tools: [look, { type: 'bash_20250124', name: 'bash' }] };
    expect(() => decodeTools(body)).toThrow(/^tools\[1\]: tool bash of type "bash_20250124"/);
  });
});
