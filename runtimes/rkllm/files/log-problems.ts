/** Problems the library's log names. */
export type LogProblemCode =
  | 'driver_too_old'
  | 'context_too_long'
  | 'soc_mismatch'
  | 'runtime_too_old'
  | 'model_invalid'
  | 'soc_unsupported'
  | 'file_unreadable'
  | 'npu_memory'
  | 'npu_access'
  | 'npu_failed'
  | 'npu_timeout'
  | 'prompt_too_long'
  | 'image_missing'
  | 'image_mismatch'
  | 'template_ignored'
  | 'null_handle'
  | 'npu_busy'
  | 'assertion'
  | 'invalid_opcode';

/** How a problem is known by its line, and what helps. */
export type KnownProblem = {
  readonly code: LogProblemCode;
  readonly pattern: RegExp;
  /** Undefined: the line's own letter decides, without one it is an error. */
  readonly severity?: 'warning' | 'error';
  readonly permanent: boolean;
  readonly remedy: string;
};

const NEWER_RUNTIME =
  'install a librkllmrt at least as new as the toolkit that made the file, or convert the model with an older toolkit';
const FREE_NPU_MEMORY =
  'unload other NPU models, lower the context or convert with a smaller one; each NPU memory domain holds 4 GB';

/**
 * The lines of librkllmrt and librknnrt that name a problem, most specific first: gathered from Rockchip's manual and
 * from logs in public reports about versions 1.1 to 1.3.
 */
export const LOG_PROBLEMS: readonly KnownProblem[] = [
  {
    code: 'driver_too_old',
    pattern: /rknpu driver version is too low/i,
    severity: 'warning',
    permanent: true,
    remedy:
      'use a system image with kernel 6.1 and NPU driver 0.9.8 (0.9.7 at least), e.g. Armbian; kernel 5.10 cannot have it',
  },
  {
    code: 'context_too_long',
    pattern: /max_context\s*\[\d+\] must be less than the model's max_context_limit/i,
    severity: 'error',
    permanent: true,
    remedy: "set settings.context to the file's limit or less, or convert the model with a longer context",
  },
  {
    code: 'soc_mismatch',
    pattern: /target_platform does not match/i,
    severity: 'error',
    permanent: true,
    remedy: "get the model's file for this chip, or convert it again with its target_platform",
  },
  {
    code: 'runtime_too_old',
    pattern: /rkllm-runtime version is lower than the rkllm-toolkit version/i,
    permanent: true,
    remedy: NEWER_RUNTIME,
  },
  {
    code: 'runtime_too_old',
    pattern: /wrong number of tensors|model architecture .*is not supported/i,
    severity: 'error',
    permanent: true,
    remedy: NEWER_RUNTIME,
  },
  {
    code: 'model_invalid',
    pattern: /invalid rkllm model|invalid magic (number|characters)|invalid rknn llm model magic/i,
    severity: 'error',
    permanent: true,
    remedy:
      'copy the file again (it may be cut short or a Git LFS pointer), or install a newer librkllmrt if a newer toolkit made it',
  },
  {
    code: 'soc_unsupported',
    pattern: /platform error, must be/i,
    severity: 'error',
    permanent: true,
    remedy:
      'run it on a chip librkllmrt knows (RK3588, RK3576, RK3562, RV1126B); check /proc/device-tree/compatible is readable',
  },
  {
    code: 'npu_memory',
    pattern: /failed to malloc npu memory/i,
    severity: 'error',
    permanent: false,
    remedy: FREE_NPU_MEMORY,
  },
  // errno 14 (EFAULT) is what the driver answers when the domain has no room left; the user's rights are fine then.
  {
    code: 'npu_memory',
    pattern: /failed to allocate handle/i,
    severity: 'error',
    permanent: false,
    remedy: FREE_NPU_MEMORY,
  },
  {
    code: 'npu_access',
    pattern: /failed to open .*(\/dev\/|rknpu|npu|dri)|failed to open (drm|device)/i,
    severity: 'error',
    permanent: true,
    remedy: 'add the user to the groups render and video, and check that /dev/dri/renderD* or /dev/rknpu is there',
  },
  {
    code: 'file_unreadable',
    pattern: /failed to open/i,
    severity: 'error',
    permanent: true,
    remedy: 'check the path and that the user may read the file and the NPU device (groups render and video)',
  },
  {
    code: 'npu_timeout',
    pattern: /job timeout|failed to wait job/i,
    severity: 'error',
    permanent: false,
    remedy: 'let nothing else use the NPU meanwhile; see dmesg, and restart the board should it go on',
  },
  {
    code: 'npu_busy',
    pattern: /failed to submit|resource busy/i,
    severity: 'error',
    permanent: false,
    remedy: 'let only one program use the NPU at a time, and use NPU driver 0.9.8',
  },
  {
    code: 'npu_failed',
    pattern: /matmul\(.*\) run failed/i,
    severity: 'error',
    permanent: false,
    remedy: 'use NPU driver 0.9.8 (kernel 6.1): older ones load a model and then fail like this',
  },
  {
    code: 'prompt_too_long',
    pattern: /length of prompt is greater than max context|context is not enough|kv[- ]?cache.*full/i,
    severity: 'error',
    permanent: false,
    remedy: 'shorten the conversation or use a model with a longer context',
  },
  {
    code: 'image_missing',
    pattern: /must contain the <image> tag|n_image.*not set/i,
    severity: 'error',
    permanent: false,
    remedy: 'send the image with its tag in the prompt and its counts set',
  },
  {
    code: 'image_mismatch',
    pattern: /(patch|image).*(mismatch|does not match)/i,
    severity: 'error',
    permanent: false,
    remedy: 'use the vision encoder file that belongs to this language model',
  },
  {
    code: 'template_ignored',
    pattern: /chat[_ ]?template.*(disabl|ignor|invalid)|enable_thinking.*(disabl|ignor|invalid|not)/i,
    severity: 'warning',
    permanent: false,
    remedy: 'none needed: prompts are rendered before they reach the library',
  },
  {
    code: 'null_handle',
    pattern: /handle is (null|nullptr)|(null|invalid) handle/i,
    severity: 'error',
    permanent: false,
    remedy: 'see the lines before: the load failed although the library returned success',
  },
  {
    code: 'assertion',
    pattern: /GGML_ASSERT/,
    severity: 'error',
    permanent: false,
    remedy: 'the library aborts here; install its latest release, and report it with the lines before',
  },
  {
    code: 'invalid_opcode',
    pattern: /illegal instruction/i,
    severity: 'error',
    permanent: true,
    remedy: 'the library was built for another CPU: get the re-released librkllmrt 1.3.0 or 1.2.3',
  },
];
