import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rerankPrompt, toUnitVector, yesProbability } from '../../../runtimes/rkllm/last-row.ts';

describe('toUnitVector', () => {
  it('keeps the direction and makes the length 1', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1 }), (values) => {
        fc.pre(values.some((value) => value !== 0));
        const unit = toUnitVector(Float32Array.from(values));
        expect(Math.hypot(...unit)).toBeCloseTo(1, 6);
        const length = Math.hypot(...values);
        for (const [at, value] of values.entries()) expect((unit[at] ?? 0) * length).toBeCloseTo(value, 3);
      }),
    );
  });

  it.each([[[0, 0, 0]], [[Number.NaN, 1]], [[Number.POSITIVE_INFINITY]]])('rejects %j', (values) => {
    expect(() => toUnitVector(Float32Array.from(values))).toThrow('without a direction');
  });
});

describe('yesProbability', () => {
  const logits = (yes: number, no: number) => {
    const row = new Float32Array(16_384);
    row[9693] = yes;
    row[2152] = no;
    return row;
  };

  it('is a half where both are alike, and grows with yes', () => {
    expect(yesProbability(logits(2, 2))).toBe(0.5);
    expect(yesProbability(logits(5, 1))).toBeCloseTo(0.982, 3);
    expect(yesProbability(logits(-900, 900))).toBe(0);
  });

  it('refuses a vocabulary that does not hold both words', () => {
    expect(() => yesProbability(new Float32Array(1000))).toThrow('its vocabulary has 1000 tokens');
  });
});

describe('rerankPrompt', () => {
  it('is the one the model was trained on', () => {
    expect(rerankPrompt('Q', 'D')).toMatch(
      /<Query>: Q\n<Document>: D<\|im_end\|>\n<\|im_start\|>assistant\n<think>\n\n<\/think>\n\n$/,
    );
  });
});
