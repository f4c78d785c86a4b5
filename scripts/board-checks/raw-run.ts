import { promisify } from 'node:util';
import koffi from 'koffi';
import { rkllmStructs } from '../../runtimes/rkllm/abi/structs.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { ProbeFinding, ProbeSetup } from './probe-types.ts';

/** How to call the library, where that itself is the question. */
export type RawRun = {
  /** Stack of the thread that calls rkllm_run. */
  readonly stackBytes: number;
  /** True: rkllm_run is called on Node's own thread. Hangs for ever where the callbacks come on another one. */
  readonly onMainThread: boolean;
};

const FINISH = 2;

/**
 * Loads the model and runs one prompt with a stack of a given size, or on the main thread. Must be the only call into
 * the library of its process, because stacks are set before the first one.
 */
export async function rawRun(setup: ProbeSetup, raw: RawRun): Promise<ProbeFinding> {
  koffi.config({ async_stack_size: raw.stackBytes, sync_stack_size: raw.stackBytes });
  const structs = rkllmStructs(setup.profile);
  const library = koffi.load(setup.library);
  const { RKLLMCallback, RKLLMParam, RKLLMInput, RKLLMInferParam } = structs;
  const out = koffi.out(koffi.pointer('void *'));
  const callbackType = RKLLMCallback === undefined ? structs.resultCallback : koffi.pointer(RKLLMCallback);
  const defaults = library.func('rkllm_createDefaultParam', RKLLMParam, []);
  const init = promisify(library.func('rkllm_init', 'int', [out, koffi.pointer(RKLLMParam), callbackType]).async);
  const run = library.func('rkllm_run', 'int', [
    'void *',
    koffi.pointer(RKLLMInput),
    koffi.pointer(RKLLMInferParam),
    'void *',
  ]);
  let callbacks = 0;
  let finished = false;
  const callback = koffi.register((_result: unknown, _userdata: unknown, state: number) => {
    callbacks += 1;
    if (state >= FINISH) finished = true;
    return 0;
  }, structs.resultCallback);
  const handle: [unknown] = [null];
  const params = { ...defaults(), model_path: setup.modelFile, max_context_len: setup.contextTokens };
  const noOthers = { tokenizer_callback: null, tokenizer_userdata: null, embed_callback: null, embed_userdata: null };
  const code = await init(
    handle,
    { ...params, max_new_tokens: 8 },
    RKLLMCallback === undefined ? callback : { result_callback: callback, result_userdata: null, ...noOthers },
  );
  if (code !== 0 || handle[0] === null) throw new GatewayError('start_failed', `rkllm_init returned ${code}`);
  const input = { role: 'user', enable_thinking: false, input_type: 0, input: { prompt_input: 'Hello' } };
  const infer = { mode: 0, lora_params: null, prompt_cache_params: null, keep_history: 0 };
  const inferAll = setup.profile === '1.3' ? { ...infer, sampling_params: null, max_new_tokens: 8 } : infer;
  const returned: number = raw.onMainThread
    ? run(handle[0], input, inferAll, null)
    : await promisify(run.async)(handle[0], input, inferAll, null);
  return {
    verdict: returned === 0 && finished ? 'pass' : 'fail',
    values: { returned, callbacks, finished, stackKiB: raw.stackBytes / 1024 },
  };
}
