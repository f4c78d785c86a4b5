import type { LoadParams } from './abi/open-library.ts';
import type { LoadMessage } from './protocol.ts';

/** Sampling values both interfaces know, with the library's documented defaults. */
export const SAMPLING_DEFAULTS: Readonly<Record<string, number>> = {
  top_k: 40,
  top_p: 0.9,
  temperature: 0.8,
  repeat_penalty: 1.1,
  frequency_penalty: 0,
  presence_penalty: 0,
  mirostat: 0,
  mirostat_tau: 5,
  mirostat_eta: 0.1,
};

/**
 * Parameters of rkllm_init for a model. The number of new tokens is left open up to the context, because runtimes
 * below 1.3 fix it here for all runs. Pure.
 */
export function loadParams(load: LoadMessage): LoadParams {
  const extend = {
    base_domain_id: load.baseDomainId ?? 0,
    ...(load.embedFlash === undefined ? {} : { embed_flash: load.embedFlash ? 1 : 0 }),
    ...(load.cpuMask === undefined
      ? {}
      : { enabled_cpus_mask: load.cpuMask, enabled_cpus_num: countBits(load.cpuMask) }),
    n_batch: 1,
  };
  return {
    ...greedyWhereCold({ ...SAMPLING_DEFAULTS, ...load.sampling }),
    model_path: load.modelFile,
    max_context_len: load.contextTokens,
    max_new_tokens: load.contextTokens,
    skip_special_token: true,
    // The library's own asynchronous runs gave no output in several releases.
    is_async: false,
    extend_param: extend,
  };
}

/** Temperature 0 means "the likeliest token always", which the library says by `top_k` 1; it may divide by the other. */
export function greedyWhereCold(sampling: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return sampling['temperature'] === 0 ? { ...sampling, temperature: 1, top_k: 1 } : sampling;
}

function countBits(mask: number): number {
  let bits = 0;
  for (let rest = mask; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}
