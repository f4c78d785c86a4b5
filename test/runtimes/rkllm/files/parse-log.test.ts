import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LOG_PROBLEMS } from '../../../../runtimes/rkllm/files/log-problems.ts';
import { parseLogLine } from '../../../../runtimes/rkllm/files/parse-log.ts';

const FACTS: readonly (readonly [string, object])[] = [
  [
    'I rkllm: rkllm-runtime version: 1.2.3, rknpu driver version: 0.9.8, platform: RK3588',
    { kind: 'runtime', runtimeVersion: '1.2.3', driverVersion: '0.9.8', platform: 'rk3588' },
  ],
  ['I rkllm: loading rkllm model from /models/a b.rkllm', { kind: 'loading', path: '/models/a b.rkllm' }],
  [
    'I rkllm: rkllm-toolkit version: 1.2.3, max_context_limit: 16384, npu_core_num: 3, target_platform: RK3588, model_dtype: W8A8',
    {
      kind: 'model',
      toolkitVersion: '1.2.3',
      contextMax: 16384,
      npuCores: 3,
      platform: 'rk3588',
      dtype: 'w8a8',
    },
  ],
  [
    'I rkllm: rkllm-toolkit version: unknown, max_context_limit: 4096, npu_core_num: 2, target_platform: RK3576',
    {
      kind: 'model',
      toolkitVersion: undefined,
      contextMax: 4096,
      npuCores: 2,
      platform: 'rk3576',
      dtype: undefined,
    },
  ],
  ['I rkllm: Enabled cpus: [4, 5, 6, 7]', { kind: 'cpus', cpus: [4, 5, 6, 7] }],
];

const PROBLEMS: readonly (readonly [string, object])[] = [
  [
    'W rkllm: Warning: Your rknpu driver version is too low, please upgrade to 0.9.7',
    { code: 'driver_too_old', severity: 'warning', permanent: true, remedy: expect.stringContaining('kernel 6.1') },
  ],
  [
    "E rkllm: max_context[8192] must be less than the model's max_context_limit[4096]",
    { code: 'context_too_long', severity: 'error', permanent: true, contextMax: 4096 },
  ],
  ["E rkllm: the model's target_platform does not match the real platform", { code: 'soc_mismatch', permanent: true }],
  [
    'W rkllm: The rkllm-runtime version is lower than the rkllm-toolkit version, please update',
    { code: 'runtime_too_old', severity: 'warning' },
  ],
  [
    'E rkllm: The rkllm-runtime version is lower than the rkllm-toolkit version, please update',
    { code: 'runtime_too_old', severity: 'error' },
  ],
  ['E rkllm: invalid rkllm model!', { code: 'model_invalid', permanent: true }],
  ['E rkllm: invalid magic number, got 0x73726576', { code: 'model_invalid' }],
  ['E rkllm: invalid rknn llm model magic', { code: 'model_invalid' }],
  ['E rkllm: invalid magic characters', { code: 'model_invalid' }],
  ['E rkllm: wrong number of tensors; expected 312, got 311', { code: 'runtime_too_old', permanent: true }],
  ['E rkllm: the model architecture qwen9 is not supported', { code: 'runtime_too_old' }],
  ['E rkllm: Platform error, must be either RK3588, RK3576 or RK3562', { code: 'soc_unsupported' }],
  ['E rkllm: failed to open /dev/dri/renderD129', { code: 'npu_access', remedy: expect.stringContaining('render') }],
  ['E rkllm: failed to open /models/a.rkllm', { code: 'file_unreadable', permanent: true }],
  ['E RKNN: [10:11:12.345] failed to malloc npu memory, size: 4096', { code: 'npu_memory', permanent: false }],
  ['E RKNN: [10:11:12.345] failed to allocate handle, ret: -1, errno: 14', { code: 'npu_memory' }],
  ['E RKNN: [10:11:12.345] failed to submit!, op id: 1', { code: 'npu_busy', permanent: false }],
  ['E rkllm: matmul(w8a8) run failed', { code: 'npu_failed', remedy: expect.stringContaining('0.9.8') }],
  ['E rkllm: the length of prompt is greater than max context (4096)', { code: 'prompt_too_long', permanent: false }],
  ['E rkllm: the context is not enough!', { code: 'prompt_too_long' }],
  ['E rkllm: KV cache is full', { code: 'prompt_too_long' }],
  ['E rkllm: the prompt must contain the <image> tag', { code: 'image_missing' }],
  ['E rkllm: n_image is not set', { code: 'image_missing' }],
  ['E rkllm: image patch size mismatch', { code: 'image_mismatch' }],
  ['W rkllm: chat template is set, enable_thinking is disabled', { code: 'template_ignored', severity: 'warning' }],
  ['E rkllm: handle is NULL', { code: 'null_handle' }],
  ['/src/ggml.c:1234: GGML_ASSERT(n > 0) failed', { code: 'assertion', severity: 'error' }],
  ['RKNPU: job timeout, flags: 0x0', { code: 'npu_timeout' }],
  ['Illegal instruction (core dumped)', { code: 'invalid_opcode' }],
];

describe('parseLogLine', () => {
  it.each(FACTS)('reads %s', (line, fact) => {
    expect(parseLogLine(line)).toEqual(fact);
  });

  it.each(PROBLEMS)('knows %s', (line, problem) => {
    expect(parseLogLine(line)).toMatchObject({ kind: 'problem', ...problem });
  });

  it('every known problem has a line that shows it', () => {
    const shown = new Set(
      PROBLEMS.map(([line]) => {
        const fact = parseLogLine(line);
        return fact?.kind === 'problem' ? fact.code : undefined;
      }),
    );
    expect(LOG_PROBLEMS.map(({ code }) => code).filter((code) => !shown.has(code))).toEqual([]);
  });

  it('reads through colours, and without a prefix', () => {
    expect(parseLogLine('\u001b[31mE rkllm: invalid rkllm model!\u001b[0m')).toMatchObject({
      code: 'model_invalid',
      message: 'invalid rkllm model!',
    });
    expect(parseLogLine('Warning: Your rknpu driver version is too low, please upgrade to 0.9.7')).toMatchObject({
      code: 'driver_too_old',
    });
  });

  it.each(['', 'I rkllm: Using mrope', 'I rkllm: Enabled cpus num: 4', 'hello'])('finds nothing in %j', (line) => {
    expect(parseLogLine(line)).toBeUndefined();
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (line) => void parseLogLine(line)));
  });
});
