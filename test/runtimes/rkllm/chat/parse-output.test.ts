import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatTool } from '../../../../runtimes/rkllm/chat/messages.ts';
import {
  createOutputParser,
  type Delta,
  type OutputParserOptions,
} from '../../../../runtimes/rkllm/chat/parse-output.ts';

const tool = (name: string, properties: object = {}): ChatTool => ({
  type: 'function',
  function: { name, parameters: { type: 'object', properties } },
});
const WEATHER = tool('weather', { city: { type: 'string' }, days: { type: 'integer' } });
const HERMES: OutputParserOptions = { thinking: true, tools: [WEATHER], toolFormat: 'hermes' };
const LLAMA: OutputParserOptions = { thinking: false, tools: [WEATHER], toolFormat: 'llama3' };
const FENCED: OutputParserOptions = { thinking: false, tools: [WEATHER], toolFormat: 'fenced' };
const PLAIN: OutputParserOptions = { thinking: true };

/** Parses the pieces and joins neighbouring texts of a kind. */
function parse(options: OutputParserOptions, ...pieces: readonly string[]): readonly Delta[] {
  const parser = createOutputParser(options);
  const joined: Delta[] = [];
  for (const delta of [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()]) {
    const last = joined.at(-1);
    if (last !== undefined && last.kind !== 'tool_call' && delta.kind === last.kind && !isBroken(last, delta)) {
      joined[joined.length - 1] = { ...last, text: last.text + delta.text };
    } else joined.push(delta);
  }
  return joined;
}

const isBroken = (...deltas: readonly Delta[]) => deltas.some((delta) => 'brokenToolCall' in delta);
const content = (text: string): Delta => ({ kind: 'content', text });
const broken = (text: string): Delta => ({ kind: 'content', text, brokenToolCall: true });
const reasoning = (text: string): Delta => ({ kind: 'reasoning', text });
const call = (index: number, name: string, given: string): Delta => ({
  kind: 'tool_call',
  index,
  id: `call_${index}`,
  name,
  arguments: given,
});

const CASES: readonly (readonly [string, OutputParserOptions, string, readonly Delta[]])[] = [
  ['plain text stays as it is', PLAIN, '  Hello\n world \n', [content('  Hello\n world \n')]],
  [
    'thoughts are taken out',
    PLAIN,
    '<think>\nHm.\n\nYes.\n</think>\n\nHi!',
    [reasoning('Hm.\n\nYes.'), content('Hi!')],
  ],
  ['an empty thought leaves nothing', PLAIN, '<think>\n\n</think>\n\nHi!', [content('Hi!')]],
  ['thoughts that never end are thoughts', PLAIN, '<think>on and on\n', [reasoning('on and on')]],
  ['a think tag later on is text', PLAIN, 'Use <think> and </think>.', [content('Use <think> and </think>.')]],
  ['a tag half written at the end is text', PLAIN, '<thin', [content('<thin')]],
  [
    'the tag the prompt opened needs no opening',
    { thinking: true, startsThinking: true },
    'Hm.\n</think>\n\nHi!',
    [reasoning('Hm.'), content('Hi!')],
  ],
  [
    'tags stay where the model does not think',
    { thinking: false },
    '<think>a</think>b',
    [content('<think>a</think>b')],
  ],
  [
    'a call is read',
    HERMES,
    '<tool_call>\n{"name": "weather", "arguments": {"city": "Bonn"}}\n</tool_call>',
    [call(0, 'weather', '{"city": "Bonn"}')],
  ],
  [
    'thoughts, words and two calls come in order',
    HERMES,
    '<think>two</think>\n\nLet me look.\n<tool_call>{"name":"weather","arguments":{"city":"A"}}</tool_call>\n' +
      '<tool_call>{"name":"weather","arguments":{}}</tool_call>\n',
    [reasoning('two'), content('Let me look.'), call(0, 'weather', '{"city":"A"}'), call(1, 'weather', '{}')],
  ],
  [
    'words after a call lose the white space between',
    HERMES,
    '<tool_call>{"name":"weather"}</tool_call>\n\nDone.',
    [call(0, 'weather', '{}'), content('Done.')],
  ],
  [
    'a call without its closing tag is read at the end',
    HERMES,
    '<tool_call>\n{"name":"weather","arguments":{"city":"A"}}',
    [call(0, 'weather', '{"city":"A"}')],
  ],
  [
    'long numbers keep their digits',
    HERMES,
    '<tool_call>{"name":"weather","arguments":{"id":12345678901234567890}}</tool_call>',
    [call(0, 'weather', '{"id":12345678901234567890}')],
  ],
  [
    'arguments given as text are passed on as they are',
    HERMES,
    '<tool_call>{"name":"weather","arguments":"{\\"city\\":\\"A\\"}"}</tool_call>',
    [call(0, 'weather', '{"city":"A"}')],
  ],
  [
    'a closing tag inside a string does not close',
    HERMES,
    '<tool_call>{"name":"weather","arguments":{"city":"a</tool_call>\\"b"}}</tool_call>!',
    [call(0, 'weather', '{"city":"a</tool_call>\\"b"}'), content('!')],
  ],
  [
    'a broken call is passed on with a flag',
    HERMES,
    'So: <tool_call>{"name": weather}</tool_call> ok',
    [content('So:'), broken(' <tool_call>{"name": weather}</tool_call>'), content(' ok')],
  ],
  [
    'a quote that never closes does not swallow the next call',
    HERMES,
    '<tool_call>{"name": "weather}</tool_call>\n<tool_call>{"name":"weather"}</tool_call>',
    [broken('<tool_call>{"name": "weather}</tool_call>'), call(0, 'weather', '{}')],
  ],
  [
    'without tools the tag is text',
    PLAIN,
    '<tool_call>{"name":"a"}</tool_call>',
    [content('<tool_call>{"name":"a"}</tool_call>')],
  ],
  [
    'calls written with tags get the types of the schema',
    HERMES,
    '<tool_call>\n<function=weather>\n<parameter=city>\n12\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>',
    [call(0, 'weather', '{"city":"12","days":3}')],
  ],
  [
    'bare JSON at the start is a call',
    LLAMA,
    '{"name": "weather", "parameters": {"city": "A"}}; {"name": "weather", "parameters": {}}',
    [call(0, 'weather', '{"city": "A"}'), call(1, 'weather', '{}')],
  ],
  ['a list of calls is read', LLAMA, '[{"name":"weather","arguments":{}}]', [call(0, 'weather', '{}')]],
  [
    'JSON that names no declared tool is text',
    LLAMA,
    '{"name": "Bob", "age": 3}',
    [content('{"name": "Bob", "age": 3}')],
  ],
  ['other JSON is text at once', LLAMA, ' {"age": 3} and more', [content(' {"age": 3} and more')]],
  [
    'the python tag opens a call',
    LLAMA,
    'Sure.<|python_tag|>{"type":"function","function":{"name":"weather","parameters":{"city":"A"}}}',
    [content('Sure.'), call(0, 'weather', '{"city":"A"}')],
  ],
  ['code behind the python tag is passed on', LLAMA, '<|python_tag|>print(1)', [broken('<|python_tag|>print(1)')]],
  [
    'a fenced call is read',
    FENCED,
    'Ok.\n```tool_code\n{"name":"weather","arguments":{"city":"A"}}\n```\n',
    [content('Ok.'), call(0, 'weather', '{"city":"A"}')],
  ],
  [
    'a JSON fence that calls a declared tool is a call',
    FENCED,
    '```json\n{"name":"weather","parameters":{}}\n```',
    [call(0, 'weather', '{}')],
  ],
  [
    'any other JSON fence is text, unflagged',
    FENCED,
    'See:\n```json\n{"a":1}\n```\nThere.',
    [content('See:\n```json\n{"a":1}\n```\nThere.')],
  ],
];

describe('createOutputParser', () => {
  it.each(CASES)('%s', (_, options, text, expected) => {
    expect(parse(options, text)).toEqual(expected);
  });

  it.each(CASES)('letter by letter: %s', (_, options, text, expected) => {
    expect(parse(options, ...text)).toEqual(expected);
  });

  it('text goes out at once where nothing can follow it', () => {
    const parser = createOutputParser(HERMES);
    expect(parser.push('Hello')).toEqual([content('Hello')]);
    expect(parser.push(' there <')).toEqual([content(' there')]);
    expect(parser.push('b>')).toEqual([content(' <b>')]);
  });

  it('a stop string ends the answer and is not part of it', () => {
    const parser = createOutputParser({ thinking: false, stop: ['END', '\n\n'] });
    expect(parser.push('one E')).toEqual([content('one ')]);
    expect(parser.stopped).toBe(false);
    expect(parser.push('ND two')).toEqual([]);
    expect(parser.stopped).toBe(true);
    expect([parser.push('three'), parser.end()]).toEqual([[], []]);
  });

  it('the start of a stop string that did not come is passed on at the end', () => {
    expect(parse({ thinking: false, stop: ['END'] }, 'one EN')).toEqual([content('one EN')]);
  });

  it('ids carry the prefix and calls are counted', () => {
    const parser = createOutputParser({ ...HERMES, callIdPrefix: 'call_r7_' });
    const [delta] = parser.push('<tool_call>{"name":"weather"}</tool_call>');
    expect(delta).toMatchObject({ id: 'call_r7_0' });
    expect(parser.callCount).toBe(1);
  });

  const fragments = fc.constantFrom(
    ...[
      '<think>',
      '</think>',
      '<tool_call>',
      '</tool_call>',
      '{"name":"weather","arguments":{"city":"x"}}',
      '{"name":"',
    ],
    ...[
      '"',
      '{',
      '}',
      '[',
      ']',
      '\n',
      ' ',
      'a',
      'STOP',
      'ST',
      'é😀',
      '<|python_tag|>',
      '```json\n',
      '```tool_code\n',
      '\n```',
    ],
    ...['<function=weather><parameter=city>x</parameter></function>', '<tool_', ';', '\\'],
  );
  const optionSets = fc.record({
    thinking: fc.boolean(),
    startsThinking: fc.boolean(),
    tools: fc.constantFrom([], [WEATHER]),
    toolFormat: fc.constantFrom('hermes' as const, 'llama3' as const, 'fenced' as const),
    stop: fc.constantFrom([], ['STOP'], ['STOP', 'TO', '\n\n']),
  });

  it('any way of cutting the text gives the same answer', () => {
    fc.assert(
      fc.property(
        fc.array(fragments, { maxLength: 14 }),
        optionSets,
        fc.array(fc.nat({ max: 200 }), { maxLength: 12 }),
        (parts, options, cuts) => {
          const text = parts.join('');
          const places = [...new Set([0, ...cuts.map((cut) => Math.min(cut, text.length)), text.length])];
          places.sort((a, b) => a - b);
          const pieces = places.slice(1).map((end, index) => text.slice(places[index], end));
          expect(parse(options, ...pieces)).toEqual(parse(options, text));
          expect(parse(options, ...text.split(''))).toEqual(parse(options, text));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('nothing a model says without markers is lost', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), optionSets, (text, options) => {
        fc.pre(!/<think|<tool|```|STOP|TO|\n|^\s*[{[]/.test(text));
        const said = parse({ ...options, startsThinking: false }, text);
        expect(said.map((delta) => (delta.kind === 'content' ? delta.text : '')).join('')).toBe(text);
      }),
    );
  });
});
