import { describe, expect, it } from 'vitest';
import { FAULTS_MAX, type InputRules, readInput } from '../../src/batch/read-input.ts';
import type { NewJob } from '../../src/core/batch.ts';
import { GatewayError } from '../../src/core/errors.ts';

const rules: InputRules = {
  endpoint: '/v1/chat/completions',
  linesMax: 1000,
  lineBytesMax: 10_000,
  readBody: (body) => {
    const { model = 'auto', text = '', stream = false } = JSON.parse(body.toString('utf8'));
    if (text === 'bad') throw new GatewayError('invalid_request', 'text is bad', { param: 'text' });
    return { model, stream, promptChars: text.length, messageCount: 1, maxTokens: undefined };
  },
  modelOf: (name) => {
    if (name === 'nobody') throw new GatewayError('model_not_found', 'no model "nobody"', { param: 'model' });
    return name === 'auto' ? undefined : name;
  },
};
const line = (id: unknown, body: unknown = { text: 'x' }, more: object = {}) =>
  JSON.stringify({ custom_id: id, method: 'POST', url: rules.endpoint, body, ...more });

async function* piecesOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

async function read(text: string | Buffer, { size = 65_536, ...more }: Partial<InputRules> & { size?: number } = {}) {
  const pages: (readonly NewJob[])[] = [];
  const bytes = Buffer.from(text as string);
  const faults = await readInput(
    piecesOf(bytes, size),
    { ...rules, ...more },
    {
      jobs: async (jobs) => void pages.push(jobs),
    },
  );
  return { faults, pages, jobs: pages.flat(), bytes };
}

describe('an input', () => {
  it('gives each line with its place in the file, whatever the pieces it comes in', async () => {
    const text = `${line('a', { text: 'Grüße 😀' })}\n\n  \r\n${line('b', { model: 'm' })}\r\n${line('c')}`;
    for (const size of [1, 7, 65_536]) {
      const { jobs, faults, bytes } = await read(text, { size });
      expect(faults).toEqual([]);
      expect(jobs.map((job) => [job.line, job.customId, job.model])).toEqual([
        [1, 'a', undefined],
        [4, 'b', 'm'],
        [5, 'c', undefined],
      ]);
      for (const { offset, length, customId } of jobs) {
        const slice = bytes.subarray(offset, offset + length).toString('utf8');
        expect(JSON.parse(slice).custom_id).toBe(customId);
      }
      expect(jobs[0]?.promptChars).toBe('Grüße 😀'.length);
    }
  });

  it('may begin with a byte order mark, which is no part of its first line', async () => {
    const { jobs, faults, bytes } = await read(`\uFEFF${line('a')}\n${line('b')}\n`);
    expect(faults).toEqual([]);
    const [first] = jobs;
    expect(bytes.subarray(first?.offset, (first?.offset ?? 0) + (first?.length ?? 0)).toString()).toBe(line('a'));
    expect(jobs).toHaveLength(2);
  });

  it('is handed over in pieces, each before more is read', async () => {
    const { pages } = await read(Array.from({ length: 600 }, (_, index) => line(`${index}`)).join('\n'));
    expect(pages.map((page) => page.length)).toEqual([250, 250, 100]);
  });

  it('stops where its listener fails', async () => {
    const full = new Error('disk full');
    const reading = readInput(piecesOf(Buffer.from(line('a')), 10), rules, { jobs: () => Promise.reject(full) });
    await expect(reading).rejects.toBe(full);
  });

  const deep = `{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":${'['.repeat(50_000)}`;
  it.each<[string, string, object]>([
    ['no JSON', 'nonsense', { code: 'invalid_json_line', param: undefined }],
    ['a list', '[1]', { code: 'invalid_json_line' }],
    ['null', 'null', { code: 'invalid_json_line' }],
    [
      'nesting that would overflow a stack',
      deep,
      { code: 'invalid_json_line', message: expect.stringContaining('128') },
    ],
    ['no id', line(undefined), { code: 'missing_required_parameter', param: 'custom_id' }],
    ['a number for an id', line(7), { param: 'custom_id' }],
    ['an id of a thousand characters', line('x'.repeat(1000)), { param: 'custom_id' }],
    ['the id of another line', line('first'), { code: 'duplicate_custom_id', param: 'custom_id' }],
    ['another method', line('a', {}, { method: 'GET' }), { code: 'invalid_method', param: 'method' }],
    ['another endpoint', line('a', {}, { url: '/v1/embeddings' }), { code: 'mismatched_endpoint', param: 'url' }],
    ['no body', line('a', null), { param: 'body' }],
    ['a body that is wrong', line('a', { text: 'bad' }), { code: 'invalid_request', param: 'body.text' }],
    ['a stream', line('a', { stream: true }), { param: 'body.stream' }],
    ['a model nobody has', line('a', { model: 'nobody' }), { code: 'model_not_found', param: 'body.model' }],
  ])('names the line with %s', async (_, wrong, fault) => {
    const limits = { lineBytesMax: 100_000 };
    const { faults } = await read(`${line('first')}\n\n${wrong}\n${line('last')}`, limits);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ line: 3, ...fault });
  });

  it('names a line that is too long without keeping it, and reads on', async () => {
    const long = line('long', { text: 'x'.repeat(20_000) });
    const { faults, jobs } = await read(`${long}\n${line('a')}`, { size: 1000 });
    expect(faults).toEqual([
      { code: 'line_too_long', message: 'the line is longer than 10000 bytes', param: undefined, line: 1 },
    ]);
    expect(jobs.map((job) => [job.line, job.offset])).toEqual([[2, long.length + 1]]);
  });

  it('with nothing in it says so', async () => {
    for (const text of ['', '\n\n', '\uFEFF', ' \r\n ']) {
      expect((await read(text)).faults).toMatchObject([{ code: 'empty_file', line: undefined }]);
    }
  });

  it('with too many lines says that alone', async () => {
    const { faults } = await read([line('a'), line('b'), 'nonsense', line('c')].join('\n'), { linesMax: 2 });
    expect(faults).toEqual([
      {
        code: 'too_many_tasks',
        message: expect.stringContaining('batch.lines_max'),
        param: undefined,
        line: undefined,
      },
    ]);
  });

  it('lists a bounded number of faults, and stops there', async () => {
    const { faults } = await read('nonsense\n'.repeat(500));
    expect(faults).toHaveLength(FAULTS_MAX);
    expect(faults.at(-1)?.line).toBe(FAULTS_MAX);
  });
});
