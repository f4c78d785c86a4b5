import { describe, expect, it } from 'vitest';
import { answerLines, type BatchLine, inOrder, readResults } from '../../src/commands/batch-answers.ts';

async function* source<Item>(...items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const result = (body: object, more: object = {}) => ({
  id: 'batch_req_0a1b_7',
  custom_id: 'a',
  response: { status_code: 200, body: { model: 'm', ...body } },
  error: null,
  ...more,
});
const read = async (value: object) => (await all(readResults('f', source(Buffer.from(JSON.stringify(value))))))[0];

describe('readResults', () => {
  const call = [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }];
  it.each<[string, object, string | null]>([
    ['a chat', { choices: [{ message: { content: 'Hello' } }] }, 'Hello'],
    ['a chat that says nothing', { choices: [{ message: { content: '' } }] }, ''],
    ['calls of tools', { choices: [{ message: { content: null, tool_calls: call } }] }, JSON.stringify(call)],
    ['a completion', { choices: [{ text: 'Hello' }] }, 'Hello'],
    ['a vector', { data: [{ embedding: [1, 2] }] }, '[1,2]'],
    ['several vectors', { data: [{ embedding: [1] }, { embedding: [2] }] }, '[[1],[2]]'],
    [
      'a response',
      {
        error: null,
        output: [{ type: 'reasoning' }, { type: 'message', content: [{ text: 'Hel' }, { text: 'lo' }] }],
      },
      'Hello',
    ],
    [
      'a response that calls',
      { output: [{ type: 'function_call', name: 'f' }] },
      '[{"type":"function_call","name":"f"}]',
    ],
    ['something else', {}, null],
  ])('finds the answer of %s', async (_, body, text) => {
    expect(await read(result(body))).toEqual({ line: 7, custom_id: 'a', model: 'm', text, error: null });
  });

  it('finds why there is none', async () => {
    const refused = result({ error: { message: 'too long' } });
    expect(await read(refused)).toMatchObject({ line: 7, text: null, error: 'too long' });
    const expired = { ...result({}), response: null, error: { code: 'batch_expired', message: 'too late' } };
    expect(await read(expired)).toMatchObject({ line: 7, model: null, text: null, error: 'too late' });
  });
});

const answered = (line: number, text = `answer ${line}`): BatchLine => ({
  ...{ line, custom_id: `line-${line}`, model: 'm', text, error: null },
});
const failed = (line: number): BatchLine => ({ ...answered(line), text: null, error: 'no' });

describe('inOrder', () => {
  it('puts errors where their lines were', async () => {
    const lines = await all(inOrder(source(answered(2), answered(4)), [failed(1), failed(3), failed(5), failed(6)]));
    expect(lines.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await all(inOrder(source(), [failed(1)]))).toEqual([failed(1)]);
    expect(await all(inOrder(source(answered(1)), []))).toEqual([answered(1)]);
  });
});

describe('answerLines', () => {
  it('leaves lines empty that were empty or failed', async () => {
    expect(await all(answerLines(source(answered(2), failed(3), answered(5))))).toEqual([
      '',
      'answer 2',
      '',
      '',
      'answer 5',
    ]);
  });

  it('writes line breaks so that they can be read back', async () => {
    expect(await all(answerLines(source(answered(1, 'a\nb\r\nC:\\new'))))).toEqual(['a\\nb\\r\\nC:\\\\new']);
  });
});
