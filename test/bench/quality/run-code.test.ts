import { describe, expect, it } from 'vitest';
import { runCode } from '../../../src/bench/quality/run-code.ts';

const ADD = { kind: 'code', name: 'add', cases: [[[2, 3], 5]] } as const;
const whyOf = async (source: string) => {
  const result = await runCode(source, ADD);
  return result.kind === 'right' ? 'right' : result.why;
};

describe('runCode', () => {
  it('compares what the function returns', async () => {
    expect(await whyOf('function add(a, b) { return a + b }')).toBe('right');
    expect(await whyOf('const add = (a, b) => a - b')).toBe('add(2,3): {"value":-1} instead of {"value":5}');
  });

  it('compares arrays by value', async () => {
    const check = { kind: 'code', name: 'twice', cases: [[[[1, 2]], [2, 4]]] } as const;
    expect(await runCode('const twice = (list) => list.map((n) => 2 * n)', check)).toEqual({ kind: 'right' });
  });

  it('ends a loop that never ends', async () => {
    expect(await whyOf('function add() { for (;;); }')).toContain('timed out');
  });

  it('survives code that takes all memory', async () => {
    expect(await whyOf('function add() { const all = []; for (;;) all.push(new Array(1e6).fill(1)); }')).not.toBe(
      'right',
    );
  });

  it.each([
    ['files', 'require("node:fs").readFileSync("/etc/passwd")'],
    ['the process', 'process.exit(0)'],
    ['the network', 'fetch("http://127.0.0.1/")'],
    ['the outside by a constructor', 'this.constructor.constructor("return process")()'],
    [
      'the outside by an error',
      '(() => { try { null.x } catch (e) { return e.constructor.constructor("return process")() } })()',
    ],
  ])('keeps code away from %s', async (_, reach) => {
    expect(await whyOf(`function add(a, b) { ${reach}; return a + b }`)).not.toBe('right');
  });

  it('calls code that cannot be parsed wrong', async () => {
    expect(await whyOf('function add(a, b { return')).toMatch(/^add\(2,3\): /);
  });
});
