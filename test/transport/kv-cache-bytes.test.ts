import { describe, expect, it } from 'vitest';
import { kvBytesPerToken } from '../../src/transport/kv-cache-bytes.ts';

describe('kvBytesPerToken', () => {
  // 36 layers, 8 KV heads of 128: the shape of a common 4B model; 36 × 8 × (128 + 128) = 73,728 elements per token.
  const model = { kvHeadsTotal: 36 * 8, keyLength: 128, valueLength: 128 };

  it.each([
    ['f16', 'f16', 147_456],
    ['q8_0', 'q8_0', 78_336],
    ['q4_0', 'q4_0', 41_472],
    ['q8_0', 'f16', 112_896],
  ] as const)('takes %s keys and %s values as %i bytes', (typeK, typeV, bytes) => {
    expect(kvBytesPerToken(model, typeK, typeV)).toBe(bytes);
  });
});
