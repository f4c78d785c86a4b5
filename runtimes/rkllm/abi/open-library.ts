import { promisify } from 'node:util';
import koffi, { type KoffiFunc, type TypeObject } from 'koffi';
import { GatewayError, messageOf } from '../../../src/core/errors.ts';
import { type RkllmEvent, readResult } from './read-result.ts';
import { type AbiProfile, rkllmStructs } from './structs.ts';

/** Parameters of a load, by the library's own names; what is absent keeps the library's default. */
export type LoadParams = Readonly<Record<string, unknown>> & { readonly model_path: string };

/** One run: what to do with which text. */
export type RunCall = {
  readonly mode: 'generate' | 'hidden' | 'logits';
  readonly prompt: string;
  readonly role: 'user' | 'tool';
  readonly enableThinking: boolean;
  readonly keepHistory: boolean;
  readonly lora: string | undefined;
  /** Write the prompt cache to this file. */
  readonly savePromptCache: string | undefined;
  /** 1.3 only; ignored by 1.2, which fixes both at load. */
  readonly sampling: Readonly<Record<string, number>> | undefined;
  readonly maxNewTokens: number | undefined;
};

/** The library with one model loaded. All calls run on a thread of their own; none blocks the event loop. */
export interface RkllmHandle {
  /** Resolves with the library's return value once the run has ended; events come before. */
  run(call: RunCall, onEvent: (event: RkllmEvent) => void): Promise<number>;
  abort(): Promise<number>;
  clearKvCache(): Promise<number>;
  setChatTemplate(system: string, prefix: string, postfix: string): Promise<number>;
  setFunctionTools(system: string, tools: string, tag: string): Promise<number>;
  loadLora(name: string, path: string, scale: number): Promise<number>;
  loadPromptCache(path: string): Promise<number>;
  releasePromptCache(): Promise<number>;
  /** After it nothing may be called. */
  destroy(): Promise<number>;
}

/** An opened library. */
export interface RkllmLibrary {
  /** Loads a model. Rejects with `start_failed` on a bad return value and on the old bug of 0 with no handle. */
  init(params: LoadParams): Promise<RkllmHandle>;
}

// The default stack of a call on another thread is 128 KiB, and inference code that puts a few arrays on the stack
// dies there. Must be set before the first load of a library.
const STACK_BYTES = 16 * 2 ** 20;
const MODES = { generate: 0, hidden: 1, logits: 2 } as const;
/** From 1.3: "the buffer may be freed"; without it hidden-layer and logits runs grow without bound. */
const FREE_OUTPUT = 2;

/** What koffi takes where a type is asked for; it does not export the name. */
type TypeSpec = Parameters<typeof koffi.out>[0];
type IntCall = (...parts: unknown[]) => Promise<number>;

/**
 * Opens librkllmrt with the interface of a profile. Throws `runtime_missing` where the system's loader refuses it,
 * with its own words (a missing libgomp.so.1 says so).
 */
export function openLibrary(path: string, profile: AbiProfile): RkllmLibrary {
  enlargeStacks();
  const structs = rkllmStructs(profile);
  const library = loadOrExplain(path);
  const handleOut = koffi.out(koffi.pointer('void *'));
  const callbackType = structs.RKLLMCallback;
  // The great difference of 1.3: a struct of callbacks in place of one function pointer.
  const callbackArgument = callbackType === undefined ? structs.resultCallback : koffi.pointer(callbackType);
  const pointer = (type: TypeObject) => koffi.pointer(type);
  const bind = (name: string, parts: readonly TypeSpec[]): IntCall =>
    promisify(library.func(name, 'int', [...parts]).async) as IntCall;

  const createDefault = library.func('rkllm_createDefaultParam', structs.RKLLMParam, []) as KoffiFunc<
    () => Record<string, unknown>
  >;
  const init = bind('rkllm_init', [handleOut, pointer(structs.RKLLMParam), callbackArgument]);
  const run = bind('rkllm_run', ['void *', pointer(structs.RKLLMInput), pointer(structs.RKLLMInferParam), 'void *']);
  const calls = {
    abort: bind('rkllm_abort', ['void *']),
    destroy: bind('rkllm_destroy', ['void *']),
    clear: bind('rkllm_clear_kv_cache', ['void *', 'int', 'void *', 'void *']),
    template: bind('rkllm_set_chat_template', ['void *', 'str', 'str', 'str']),
    tools: bind('rkllm_set_function_tools', ['void *', 'str', 'str', 'str']),
    loadLora: bind('rkllm_load_lora', ['void *', pointer(structs.RKLLMLoraAdapter)]),
    loadCache: bind('rkllm_load_prompt_cache', ['void *', 'str']),
    releaseCache: bind('rkllm_release_prompt_cache', ['void *']),
  };
  return {
    init: async (params) => {
      let mode: RunCall['mode'] = 'generate';
      let listener: (event: RkllmEvent) => void = () => undefined;
      const callback = koffi.register((result: bigint, _userdata: unknown, state: number) => {
        // An exception here would pass through C; the listener's own faults must not.
        try {
          const event = readResult(structs, { result, state, mode });
          listener(event);
        } catch (error) {
          tellBug(listener, messageOf(error));
        }
        return profile === '1.3' && mode !== 'generate' ? FREE_OUTPUT : 0;
      }, structs.resultCallback);
      const out: [unknown] = [null];
      const argument = callbackType === undefined ? callback : { ...NO_CALLBACKS, result_callback: callback };
      const returned = await init(out, withDefaults(createDefault(), params), argument);
      const [handle] = out;
      if (returned !== 0 || handle === null) {
        koffi.unregister(callback);
        const how = returned === 0 ? 'returned 0 but gave no handle' : `returned ${returned}`;
        throw new GatewayError('start_failed', `rkllm_init ${how} for ${params.model_path}`);
      }
      return {
        run: (call, onEvent) => {
          mode = call.mode;
          listener = onEvent;
          return run(handle, inputOf(call), inferOf(call, profile), null);
        },
        abort: () => calls.abort(handle),
        // Both bounds NULL: all of it, the system prompt too.
        clearKvCache: () => calls.clear(handle, 0, null, null),
        setChatTemplate: (system, prefix, postfix) => calls.template(handle, system, prefix, postfix),
        setFunctionTools: (system, tools, tag) => calls.tools(handle, system, tools, tag),
        loadLora: (name, file, scale) =>
          calls.loadLora(handle, { lora_adapter_name: name, lora_adapter_path: file, scale }),
        loadPromptCache: (file) => calls.loadCache(handle, file),
        releasePromptCache: () => calls.releaseCache(handle),
        destroy: async () => {
          const code = await calls.destroy(handle);
          // Not before: taking a callback away under a run ends the process.
          koffi.unregister(callback);
          return code;
        },
      };
    },
  };
}

function tellBug(listener: (event: RkllmEvent) => void, message: string): void {
  try {
    listener({ kind: 'bug', message });
  } catch {
    // It was told twice; a third way there is not, and through C it must not go.
  }
}

let hasLargeStacks = false;

/** Before the first library is opened, because koffi refuses it afterwards; once, because a load may be tried again. */
export function enlargeStacks(): void {
  if (hasLargeStacks) return;
  koffi.config({ async_stack_size: STACK_BYTES, sync_stack_size: STACK_BYTES });
  hasLargeStacks = true;
}

const NO_CALLBACKS = {
  result_userdata: null,
  tokenizer_callback: null,
  tokenizer_userdata: null,
  embed_callback: null,
  embed_userdata: null,
};

function loadOrExplain(path: string): ReturnType<typeof koffi.load> {
  try {
    return koffi.load(path);
  } catch (cause) {
    throw new GatewayError('runtime_missing', `${path} cannot be loaded: ${messageOf(cause)}`, { cause });
  }
}

/** The library's own defaults with ours laid over them, one level deep for `extend_param`. */
function withDefaults(defaults: Readonly<Record<string, unknown>>, params: LoadParams): object {
  const extend = { ...(defaults['extend_param'] as object), ...(params['extend_param'] as object | undefined) };
  return { ...defaults, ...params, extend_param: extend };
}

function inputOf(call: RunCall): object {
  return {
    role: call.role,
    enable_thinking: call.enableThinking,
    input_type: 0,
    input: { prompt_input: call.prompt },
  };
}

function inferOf(call: RunCall, profile: AbiProfile): object {
  const common = {
    mode: MODES[call.mode],
    lora_params: call.lora === undefined ? null : { lora_adapter_name: call.lora },
    prompt_cache_params:
      call.savePromptCache === undefined ? null : { save_prompt_cache: 1, prompt_cache_path: call.savePromptCache },
    keep_history: call.keepHistory ? 1 : 0,
  };
  if (profile === '1.2') return common;
  return { ...common, sampling_params: call.sampling ?? null, max_new_tokens: call.maxNewTokens ?? -1 };
}
