import { describe, expect, it } from 'vitest';
import { decodeMessages } from '../../../src/dialects/anthropic/decode-messages.ts';

const user = (content: unknown) => ({ role: 'user', content });
const assistant = (content: unknown) => ({ role: 'assistant', content });
const text = (words: string) => ({ type: 'text', text: words, cache_control: { type: 'ephemeral' } });
const use = { type: 'tool_use', id: 'toolu_1', name: 'look', input: { at: 'sky' } };

describe('decodeMessages', () => {
  it('writes one system message, of a string or of blocks', () => {
    const system = (content: string) => [{ role: 'system', content }, user('Hi')];
    expect(decodeMessages('Be brief.', [user('Hi')])).toEqual(system('Be brief.'));
    expect(decodeMessages([text('One.'), text('Two.')], [user('Hi')])).toEqual(system('One.\n\nTwo.'));
    expect(decodeMessages([], [user('Hi')])).toEqual([user('Hi')]);
    expect(decodeMessages(null, [user('Hi')])).toEqual([user('Hi')]);
  });

  it('leaves out the note to the accounting that would make cached prefixes worthless', () => {
    const note = 'x-anthropic-billing-header: cc_version=2.1; cc_entrypoint=cli; cch=a5145;';
    const wanted = [{ role: 'system', content: 'You are.' }, user('Hi')];
    expect(decodeMessages([text(note), text('You are.')], [user('Hi')])).toEqual(wanted);
    expect(decodeMessages(`${note}\nYou are.`, [user('Hi')])).toEqual(wanted);
  });

  it('takes instructions at the beginning into the system message, later ones as marked words of the user', () => {
    const later = { role: 'system', content: [text('Now in French.')] };
    expect(decodeMessages('One.', [{ role: 'system', content: 'Two.' }, user('Hi'), later])).toEqual([
      { role: 'system', content: 'One.\n\nTwo.' },
      user('Hi'),
      user('<system>\nNow in French.\n</system>'),
    ]);
  });

  it('joins blocks of text, and keeps parts where there is an image', () => {
    const data = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
    const link = { type: 'image', source: { type: 'url', url: 'https://example.org/a.png' } };
    expect(decodeMessages(undefined, [user([text('a'), text('b')])])).toEqual([user('a\nb')]);
    expect(decodeMessages(undefined, [user([text('a'), data, link])])).toEqual([
      user([
        { type: 'text', text: 'a' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        { type: 'image_url', image_url: { url: 'https://example.org/a.png' } },
      ]),
    ]);
  });

  it('writes calls, thoughts and results in the chat language, results first', () => {
    const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: [text('blue'), text('clear')] };
    const thought = { type: 'thinking', thinking: 'Look up.', signature: '' };
    const messages = [
      user('Look.'),
      assistant([thought, { type: 'redacted_thinking', data: 'x' }, text('I look.'), use]),
      user([text('Well?'), result]),
    ];
    expect(decodeMessages(undefined, messages)).toEqual([
      user('Look.'),
      {
        role: 'assistant',
        content: 'I look.',
        reasoning_content: 'Look up.',
        tool_calls: [{ id: 'toolu_1', type: 'function', function: { name: 'look', arguments: '{"at":"sky"}' } }],
      },
      { role: 'tool', tool_call_id: 'toolu_1', content: 'blue\nclear' },
      user('Well?'),
    ]);
  });

  it.each([
    ['nothing', undefined, false, ''],
    ['a string', 'blue', false, 'blue'],
    ['a failure', 'no sky', true, 'Error: no sky'],
    ['a failure that says so', '<error>no sky', true, '<error>no sky'],
  ])('takes %s for a result', (_, content, failed, written) => {
    const result = { type: 'tool_result', tool_use_id: 'toolu_1', content, is_error: failed };
    expect(decodeMessages(undefined, [user([result])])).toEqual([
      { role: 'tool', tool_call_id: 'toolu_1', content: written },
    ]);
  });

  it('keeps the images of a result, and says in words that it failed', () => {
    const image = { type: 'image', source: { type: 'url', url: 'u' } };
    const result = { type: 'tool_result', tool_use_id: 't', content: [image], is_error: true };
    expect(decodeMessages(undefined, [user([result])])[0]).toMatchObject({
      content: [{ type: 'text', text: 'Error: ' }, { type: 'image_url' }],
    });
  });

  it.each([
    ['system[0].type', [{ type: 'image' }], [user('Hi')]],
    ['messages', undefined, {}],
    ['messages[0]', undefined, ['Hi']],
    ['messages[1].role', undefined, [user('Hi'), { role: 'tool', content: '' }]],
    ['messages[0].content', undefined, [user(7)]],
    ['messages[0].content[0]', undefined, [user(['Hi'])]],
    ['messages[0].content[0].type', undefined, [user([{}])]],
    ['messages[0].content[0].type', undefined, [user([use])]],
    ['messages[0].content[0].type', undefined, [assistant([{ type: 'tool_result', tool_use_id: 't' }])]],
    ['messages[0].content[0].input', undefined, [assistant([{ ...use, input: 'sky' }])]],
    ['messages[0].content[0].source.type', undefined, [user([{ type: 'image', source: { type: 'ftp' } }])]],
    ['messages[0].content[0].tool_use_id', undefined, [user([{ type: 'tool_result' }])]],
  ])('refuses what is wrong at %s', (param, system, messages) => {
    expect(() => decodeMessages(system, messages)).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: { param } }),
    );
  });

  it.each([
    ['a document', { type: 'document', source: {} }, 'messages[0].content[0]'],
    ['a stored image', { type: 'image', source: { type: 'file', file_id: 'f' } }, 'messages[0].content[0].source'],
    ['a block of later years', { type: 'hologram' }, 'messages[0].content[0]'],
    [
      'a document in a result',
      { type: 'tool_result', tool_use_id: 't', content: [{ type: 'document' }] },
      'messages[0].content[0].content[0]',
    ],
  ])('refuses %s clearly', (_, block, param) => {
    expect(() => decodeMessages(undefined, [user([block])])).toThrow(
      expect.objectContaining({ code: 'unsupported_feature', details: { param } }),
    );
  });
});
