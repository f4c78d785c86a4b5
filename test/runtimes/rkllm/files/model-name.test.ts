import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseModelName } from '../../../../runtimes/rkllm/files/model-name.ts';

describe('parseModelName', () => {
  it.each([
    [
      'Qwen_Qwen3-0.6B-w8a8-opt0-hybrid0-npu3-ctx16384-rk3588.rkllm',
      {
        model: 'qwen3-0.6b',
        soc: 'rk3588',
        dtype: 'w8a8',
        npuCores: 3,
        contextTokens: 16384,
        optLevel: 0,
        hybridRatio: 0,
        parametersBillion: 0.6,
      },
    ],
    ['Qwen2.5-3B_W8A8_RK3588.rkllm', { model: 'qwen2.5-3b', soc: 'rk3588', dtype: 'w8a8', parametersBillion: 3 }],
    [
      '/models/qwen3-vl-2b-instruct_w8a8_rk3588.rkllm',
      { model: 'qwen3-vl-2b-instruct', soc: 'rk3588', dtype: 'w8a8', parametersBillion: 2 },
    ],
    [
      'Llama-3.2-1B-Instruct-rk3588-w8a8_g128-opt-0-hybrid-ratio-0.5-16k.rkllm',
      {
        model: 'llama-3.2-1b-instruct',
        soc: 'rk3588',
        dtype: 'w8a8_g128',
        contextTokens: 16384,
        optLevel: 0,
        hybridRatio: 0.5,
        parametersBillion: 1,
      },
    ],
    [
      'Qwen3-1.7B-Instruct-rk3576-w4a16-grq-v1.2.3-RKLLM.rkllm',
      {
        model: 'qwen3-1.7b-instruct',
        soc: 'rk3576',
        dtype: 'w4a16',
        toolkitVersion: '1.2.3',
        parametersBillion: 1.7,
      },
    ],
    [
      'gemma3-270m-W4A16-G64-rk3562.RKLLM',
      { model: 'gemma3-270m', soc: 'rk3562', dtype: 'w4a16_g64', parametersBillion: 0.27 },
    ],
    [
      'qwen2.5-3b-w8a8-g256-rk3588s.rkllm',
      { model: 'qwen2.5-3b', soc: 'rk3588', dtype: 'w8a8_g256', parametersBillion: 3 },
    ],
    ['tiny-0.5b-w8a8-rv1126b.rkllm', { model: 'tiny-0.5b', soc: 'rv1126b', dtype: 'w8a8', parametersBillion: 0.5 }],
    ['tiny-rv1126b-w4a16.rkllm', { model: 'tiny', soc: 'rv1126b', dtype: 'w4a16' }],
    ['model.rkllm', { model: 'model' }],
  ])('%s', (name, facts) => {
    expect(parseModelName(name)).toEqual(facts);
  });

  it('does not take a part of a word for a fact', () => {
    expect(parseModelName('rk35880-w8a80-ctxless-100kids.rkllm')).toEqual({
      model: expect.any(String),
    });
  });

  it('never throws, and finds the facts in whatever order they stand', () => {
    const parts = ['rk3576', 'w4a16', 'npu2', 'ctx4096', 'opt1', 'hybrid0.5', 'v1.2.3'];
    fc.assert(
      fc.property(fc.shuffledSubarray(parts, { minLength: 7 }), fc.constantFrom('-', '_'), (order, separator) => {
        expect(parseModelName(`some-1b${separator}${order.join(separator)}.rkllm`)).toMatchObject({
          soc: 'rk3576',
          dtype: 'w4a16',
          npuCores: 2,
          contextTokens: 4096,
          optLevel: 1,
          hybridRatio: 0.5,
          toolkitVersion: '1.2.3',
        });
      }),
    );
    fc.assert(fc.property(fc.string(), (name) => void parseModelName(name)));
  });
});
