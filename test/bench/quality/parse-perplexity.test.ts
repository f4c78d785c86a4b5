import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IMPORTED_METRICS, perplexitySeries } from '../../../src/bench/metrics/perplexity.ts';
import { parsePerplexity } from '../../../src/bench/quality/parse-perplexity.ts';
import { GatewayError } from '../../../src/core/errors.ts';

const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../../fixtures/perplexity', name), 'utf8');
// Outputs of llama-perplexity, build 11669, on two small models of ours.
const plain = fixture('plain.txt');
const compared = fixture('kl-divergence.txt');

function refusalOf(text: string): string {
  try {
    parsePerplexity(text, 'log.txt');
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'invalid_config') return error.message;
    throw error;
  }
  throw new Error('it was taken');
}

describe('parsePerplexity', () => {
  it('reads the final estimate, whatever the log has put before it on the line', () => {
    expect(parsePerplexity(plain, 'plain.txt')).toEqual({
      perplexity: { value: 787.103, error: 31.20426 },
      chunks: 6,
      contextTokens: 128,
      klDivergence: undefined,
      sameTopToken: undefined,
    });
    expect(parsePerplexity('Final estimate: PPL = 6.1234 +/- 0.0345\r\n', 'x').perplexity.value).toBe(6.1234);
  });

  it('reads the comparison with a base model', () => {
    const { sameTopToken, ...rest } = parsePerplexity(compared, 'kld.txt');
    expect(rest).toEqual({
      perplexity: { value: 750.488692, error: 36.207499 },
      chunks: 6,
      contextTokens: 128,
      klDivergence: { value: 0.06566, error: 0.000023 },
    });
    expect(sameTopToken?.value).toBeCloseTo(0.99471, 5);
  });

  it.each([
    ['nothing of it', 'hello\nworld\n', /^log\.txt:2: no line "Final estimate/],
    ['an empty file', '', /^log\.txt:1: no line "Final estimate/],
    ['a run that was cut off', plain.slice(0, plain.indexOf('Final')), /^log\.txt:\d+: no line "Final estimate/],
    [
      'a model without an answer',
      'a\nFinal estimate: PPL = inf +/- inf',
      /^log\.txt:2: expected two numbers, found "inf"/,
    ],
    ['a damaged number', 'Final estimate: PPL = 6.1x +/- 0.03', /^log\.txt:1: expected two numbers, found "6\.1x"/],
    ['a negative error', 'Final estimate: PPL = 6.1 +/- -0.03', /^log\.txt:1: expected two numbers/],
    ['less than there can be', 'Final estimate: PPL = 0.5 +/- 0.1', /^log\.txt:1: a perplexity of 0\.5/],
    ['two runs', `${plain}${plain}`, /^log\.txt:\d+: a second result; the first one is in line \d+/],
    ['half a comparison', compared.slice(0, compared.indexOf('Same top p:')), /^log\.txt:4: .* no line "Same top p"/],
    [
      'the head of a comparison',
      compared.slice(0, compared.indexOf('=====')),
      /^log\.txt:4: .* no line "Mean PPL\(Q\)"/,
    ],
  ])('refuses %s and names the line', (_, text, message) => {
    expect(refusalOf(text)).toMatch(message);
  });

  it('takes or refuses any text, and never fails otherwise', () => {
    const lines = fc.constantFrom(
      ...plain.split('\n'),
      ...compared.split('\n'),
      'Final estimate: PPL = +/-',
      'Same top p: %',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(lines, fc.string())), (some) => {
        try {
          expect(parsePerplexity(some.join('\n'), 'log.txt').perplexity.value).toBeGreaterThanOrEqual(1);
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
        }
      }),
    );
  });
});

describe('perplexitySeries', () => {
  it('gives each figure its interval, within what there can be', () => {
    const series = perplexitySeries(parsePerplexity(compared, 'kld.txt'));
    expect(series.map(({ metric, unit, n }) => [metric, unit, n])).toEqual([
      ['perplexity', 'factor', 6],
      ['klDivergence', 'nats', 6],
      ['sameTopToken', 'share', 6],
    ]);
    expect(series[0]?.low).toBeCloseTo(750.4887 - 1.96 * 36.2075, 3);
    expect(series[2]?.high).toBe(1);
  });

  it('is defined in the README in the same words', () => {
    const readme = readFileSync(join(import.meta.dirname, '../../../bench-results/README.md'), 'utf8');
    for (const { id, unit, definition } of IMPORTED_METRICS) {
      expect(readme).toContain(`| \`${id}\` | ${unit} | raw | ${definition} |`);
    }
  });
});
