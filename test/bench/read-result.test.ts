import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findJsonFault } from '../../src/bench/json-fault.ts';
import { parseResult, readResultFile } from '../../src/bench/read-result.ts';
import { resultJsonSchema } from '../../src/bench/result.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const RUN = {
  ...{ kind: 'sluice-bench', schema: 1, id: '2026-11-20-1a2b3c', startedAt: '2026-11-20T12:00:00.000Z' },
  ...{ sluiceVersion: '0.1.0', repetitions: 5, settleMs: 5_000, machine: { architecture: 'arm64', soc: 'rk3588' } },
  models: [
    {
      ...{ model: 'a', runtime: 'llama', outcome: 'measured', settings: {}, warnings: [], samples: [] },
      series: [{ metric: 'loadMs', unit: 'ms', side: 'served', value: 900, n: 1, provisional: true, samples: [900] }],
      figures: [{ metric: 'loadMs', side: 'served', value: 900, n: 1, source: 'run 1' }],
    },
  ],
};
const TEXT = JSON.stringify(RUN, undefined, 2);

/** What a text that is no result is refused with. */
function messageFor(text: string): string {
  try {
    parseResult(text, 'x.json');
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

describe('parseResult', () => {
  it('returns what stands in the file, keys in their order and unknown ones included', () => {
    const text = JSON.stringify({ later: 1, ...RUN });
    expect(JSON.stringify(parseResult(text, 'x.json'))).toBe(text);
  });

  it.each([
    [
      'a word for a number',
      '"settleMs": 5000',
      '"settleMs": "5 s"',
      'x.json:8:15 settleMs: expected a number, got "5 s"',
    ],
    ['a missing field', '"repetitions": 5,\n', '', 'repetitions: expected a number, got nothing: the key is missing'],
    [
      'a wrong metric, deep inside',
      '"metric": "loadMs",\n          "side"',
      '"metric": "x",\n          "side"',
      'models[0].figures[0].metric: expected',
    ],
    [
      'an outcome there is none of',
      '"outcome": "measured"',
      '"outcome": "great"',
      'models[0].outcome: expected measured, unavailable, failed or aborted, got "great"',
    ],
    ['a newer format', '"schema": 1', '"schema": 2', 'x.json:3:13 schema: expected 1, got 2'],
    [
      'an id that leads out of the folder',
      '2026-11-20-1a2b3c',
      '../../etc/x',
      'id: expected letters, digits, dots and dashes',
    ],
    ['no date', '2026-11-20T12:00:00.000Z', '../2026', 'startedAt: expected a time such as'],
    ['half a file', ']\n}', ']', 'not valid JSON: expected "," or "}", got the end of the file'],
    ['a comma too many', '"samples": [],', '"samples": [,],', 'not valid JSON: expected a value, got ",],'],
  ])('names line, column, field and what was expected of %s', (_, from, to, expected) => {
    expect(TEXT).toContain(from);
    const message = messageFor(TEXT.replace(from, to));
    expect(message).toContain('x.json is no result of sluice bench, nothing was taken from it');
    expect(message).toContain(expected);
    expect(message).toMatch(/^x\.json:\d+:\d+ /m);
  });

  it('shows the first five faults of a file that is something else', () => {
    const message = messageFor('{"models": 3, "machine": 4}');
    expect(message.split('\n')).toHaveLength(7);
    expect(message).toMatch(/… and \d+ more$/);
  });

  it('refuses nesting without end instead of running out of stack', () => {
    expect(messageFor('['.repeat(200_000))).toContain('at most 100 levels of nesting');
  });
});

describe('readResultFile', () => {
  it('names a file that is not there', () => {
    const file = join(temporaryFolder(), 'none.json');
    expect(() => readResultFile(file)).toThrow(/none\.json cannot be read: ENOENT/);
    writeFileSync(file, TEXT);
    expect(readResultFile(file)).toEqual(RUN);
  });
});

describe('findJsonFault', () => {
  it('finds none in what is JSON', () => {
    fc.assert(fc.property(fc.json(), (text) => findJsonFault(text) === undefined));
    fc.assert(fc.property(fc.jsonValue(), (value) => findJsonFault(JSON.stringify(value, undefined, 1)) === undefined));
  });

  it('agrees with JSON.parse on damaged texts, and stays inside them', () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.nat(),
        fc.constantFrom('', ',', '"', '}', ' ', '\u0001', 'x', '0', '\\'),
        (text, seed, put) => {
          const at = seed % (text.length + 1);
          const damaged = text.slice(0, at) + put + text.slice(at + 1);
          const fault = findJsonFault(damaged);
          let isValid = true;
          try {
            JSON.parse(damaged);
          } catch {
            isValid = false;
          }
          expect(fault === undefined).toBe(isValid);
        },
      ),
    );
  });

  it('counts lines and columns from one', () => {
    expect(findJsonFault('{\n  "a": 1,\n  b: 2\n}')).toEqual({
      line: 3,
      column: 3,
      message: 'not valid JSON: expected a key in double quotes, got "b: 2\\n}"',
    });
  });
});

describe('resultJsonSchema', () => {
  it('is what bench-results/result.schema.json holds (write it with: sluice bench --schema)', () => {
    const shipped = readFileSync('bench-results/result.schema.json', 'utf8');
    expect(shipped).toBe(`${JSON.stringify(resultJsonSchema(), null, 2)}\n`);
  });

  it('accepts a result and refuses a wrong one, as another program reads it', () => {
    const ajv = formats.default(new Ajv2020({ strict: false }));
    const accepts = ajv.compile(resultJsonSchema());
    expect(accepts(RUN), JSON.stringify(accepts.errors)).toBe(true);
    expect(accepts({ ...RUN, later: 1 })).toBe(true);
    expect(accepts({ ...RUN, schema: 2 })).toBe(false);
    expect(accepts({ ...RUN, models: [{ ...RUN.models[0], figures: [{}] }] })).toBe(false);
  });
});
