import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { friendlyName, normalizedName, parametersFromName } from '../../src/core/names.ts';

describe('normalizedName', () => {
  test.each([
    ['models/Qwen_Qwen3.5-27B-Q4_K_M.gguf', 'qwen3.5-27b-q4_k_m'],
    ['Qwen3.5-27B-Q4_K_M', 'qwen3.5-27b-q4_k_m'],
    ['/a/b/qwen3-1.7b-w8a8-ctx4096-rk3588.rkllm', 'qwen3-1.7b-w8a8-ctx4096-rk3588'],
    ['google_gemma-3-1b.gguf', 'google_gemma-3-1b'],
  ])('%s is %s', (text, name) => {
    expect(normalizedName(text)).toBe(name);
  });

  test('folders, case and extension make no difference, and doing it twice changes nothing', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9.-]{0,30}[a-z0-9]$/);
    fc.assert(
      fc.property(name, (text) => {
        expect(normalizedName(`/x/y/${text.toUpperCase()}.GGUF`)).toBe(normalizedName(`${text}.gguf`));
        const once = normalizedName(`${text}.gguf`);
        if (!/\.(gguf|rkllm)$/.test(once)) expect(normalizedName(once)).toBe(once);
      }),
    );
  });
});

describe('friendlyName', () => {
  test.each([
    ['Qwen_Qwen3-0.6B-w8a8-opt0-hybrid0-npu3-ctx16384-rk3588.rkllm', 'qwen3-0.6b'],
    ['Qwen3.5-4B-Q4_K_M.gguf', 'qwen3.5-4b'],
    ['qwen2.5-coder-3b-w8a8', 'qwen2.5-coder-3b'],
    ['gemma-3-1b-it-f16.gguf', 'gemma-3-1b-it'],
    ['demo-9b', 'demo-9b'],
  ])('%s is %s', (text, name) => {
    expect(friendlyName(text)).toBe(name);
  });
});

describe('parametersFromName', () => {
  test.each([
    ['Qwen3.5-4B-Q4_K_M.gguf', 4],
    ['qwen3-1.7b-w8a8.rkllm', 1.7],
    ['gemma3-270m', 0.27],
    ['demo-27b', 27],
    ['model.gguf', undefined],
    ['phi-q4_b', undefined],
  ])('%s has %s billion', (text, billions) => {
    expect(parametersFromName(text)).toBe(billions);
  });
});
