import { describe, expect, it } from 'vitest';
import { describeObjective, parseObjective, timesOf } from '../../../src/bench/tune/objective.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';

const { classes } = parsePolicy('version: 1\nclasses: { batch: { output_tokens: 500 } }\n', '<test>');
const parse = (text: string) => parseObjective(text, classes);

describe('parseObjective', () => {
  it.each([
    ['ttft', 'ttft', 512, 8],
    ['ttft:64', 'ttft', 64, 8],
    ['decode', 'decode', 256, 32],
    ['decode:1024', 'decode', 1024, 32],
    ['e2e', 'e2e', 256, classes.interactive.outputTokens],
    ['e2e:batch', 'e2e', 256, 500],
    ['e2e:256/16', 'e2e', 256, 16],
  ])('reads %s', (text, kind, promptTokens, outputTokens) => {
    expect(parse(text)).toEqual({ kind, text, promptTokens, outputTokens });
  });

  it.each(['', 'speed', 'ttft:', 'ttft:0', 'ttft:1/2', 'decode:-4', 'e2e:nobody', 'e2e:4/', 'e2e:4/8/2', 'ttft:4:4'])(
    'refuses "%s" and says what there is',
    (text) => {
      expect(() => parse(text)).toThrow(`--objective ${text} is not understood: give ttft, ttft:PROMPT`);
    },
  );
});

describe('timesOf', () => {
  const timed = {
    ...{ promptChars: 400, promptTokens: 100, outputTokens: 11 },
    ...{ firstMs: 220, lastMs: 1220, endMs: 1230, prefillMs: 200, decodeMs: 1000 },
  };
  const objective = { ...parse('e2e:100/11') };

  it('reads prompts by the runtime and tokens by the client', () => {
    expect(timesOf(objective, timed)).toEqual({
      ttftMs: 220,
      promptTps: 500,
      decodeTps: 10,
      wallMs: 1230,
      costMs: 1230,
    });
    expect(timesOf(parse('ttft:100'), timed)?.costMs).toBe(220);
    expect(timesOf(parse('decode'), timed)?.costMs).toBe(100);
  });

  it('lets an answer that ended early go on at its pace', () => {
    expect(timesOf({ ...objective, outputTokens: 21 }, timed)?.costMs).toBe(2230);
  });

  it("takes the runtime's own time where all tokens came at once, and nothing where none came", () => {
    expect(timesOf(objective, { ...timed, lastMs: 220 })?.decodeTps).toBe(10);
    expect(timesOf(parse('decode'), { ...timed, outputTokens: 1 })).toBeUndefined();
    expect(timesOf(objective, { ...timed, firstMs: undefined })).toBeUndefined();
  });
});

describe('describeObjective', () => {
  it('names figure and request', () => {
    expect(['ttft', 'decode', 'e2e:256/16'].map((text) => describeObjective(parse(text)))).toEqual([
      'TTFT of 512 prompt tokens',
      'time per output token behind 256 prompt tokens',
      'E2E of 256 prompt and 16 output tokens',
    ]);
  });
});
