import koffi, { type TypeObject } from 'koffi';

/** A binary interface of librkllmrt: `1.2` for runtimes 1.2.1 to 1.2.3, `1.3` for 1.3.x. */
export const ABI_PROFILES = ['1.2', '1.3'] as const;
/** One of {@link ABI_PROFILES}. */
export type AbiProfile = (typeof ABI_PROFILES)[number];

/** The library's structs of one profile, by the names the tables use. */
export type RkllmStructs = {
  readonly RKLLMExtendParam: TypeObject;
  readonly RKLLMParam: TypeObject;
  readonly RKLLMLoraAdapter: TypeObject;
  readonly RKLLMEmbedInput: TypeObject;
  readonly RKLLMTokenInput: TypeObject;
  readonly RKLLMMultiModalInput: TypeObject;
  readonly RKLLMInput: TypeObject;
  readonly RKLLMLoraParam: TypeObject;
  readonly RKLLMPromptCacheParam: TypeObject;
  readonly RKLLMCrossAttnParam: TypeObject;
  readonly RKLLMInferParam: TypeObject;
  readonly RKLLMResultLastHiddenLayer: TypeObject;
  readonly RKLLMResultLogits: TypeObject;
  readonly RKLLMPerfStat: TypeObject;
  readonly RKLLMResult: TypeObject;
  /** Pointer to the result callback's type. */
  readonly resultCallback: TypeObject;
  /** Only in `1.3`. */
  readonly RKLLMSamplingParam?: TypeObject;
  readonly RKLLMCallback?: TypeObject;
};

/**
 * Describes the structs of a profile to the foreign-function library, which lays them out by the C rules of the
 * machine. Sizes and offsets were measured on the published releases; the tests compare them with a C compiler's.
 * Strings that are only read during the call are `str`; a result's text is a bare pointer, because a piece may end in
 * the middle of a character and would be damaged by a conversion.
 */
export function rkllmStructs(profile: AbiProfile): RkllmStructs {
  const known = made.get(profile);
  if (known !== undefined) return known;
  const structs = profile === '1.3' ? structs13() : structs12();
  made.set(profile, structs);
  return structs;
}

const made = new Map<AbiProfile, RkllmStructs>();

const pointerTo = (type: TypeObject): TypeObject => koffi.pointer(type);

function commonStructs() {
  const RKLLMExtendParam = koffi.struct({
    base_domain_id: 'int32_t',
    embed_flash: 'int8_t',
    enabled_cpus_num: 'int8_t',
    enabled_cpus_mask: 'uint32_t',
    n_batch: 'uint8_t',
    use_cross_attn: 'int8_t',
    reserved: koffi.array('uint8_t', 104),
  });
  const RKLLMResultLastHiddenLayer = koffi.struct({ hidden_states: 'void *', embd_size: 'int', num_tokens: 'int' });
  const RKLLMResultLogits = koffi.struct({ logits: 'void *', vocab_size: 'int', num_tokens: 'int' });
  const RKLLMPerfStat = koffi.struct({
    prefill_time_ms: 'float',
    prefill_tokens: 'int',
    generate_time_ms: 'float',
    generate_tokens: 'int',
    memory_usage_mb: 'float',
  });
  const RKLLMResult = koffi.struct({
    text: 'void *',
    token_id: 'int32_t',
    last_hidden_layer: RKLLMResultLastHiddenLayer,
    logits: RKLLMResultLogits,
    perf: RKLLMPerfStat,
  });
  return {
    RKLLMExtendParam,
    RKLLMResultLastHiddenLayer,
    RKLLMResultLogits,
    RKLLMPerfStat,
    RKLLMResult,
    RKLLMLoraAdapter: koffi.struct({ lora_adapter_path: 'str', lora_adapter_name: 'str', scale: 'float' }),
    RKLLMEmbedInput: koffi.struct({ embed: 'void *', n_tokens: 'size_t' }),
    RKLLMTokenInput: koffi.struct({ input_ids: 'void *', n_tokens: 'size_t' }),
    RKLLMLoraParam: koffi.struct({ lora_adapter_name: 'str' }),
    RKLLMPromptCacheParam: koffi.struct({ save_prompt_cache: 'int', prompt_cache_path: 'str' }),
    RKLLMCrossAttnParam: koffi.struct({
      encoder_k_cache: 'void *',
      encoder_v_cache: 'void *',
      encoder_mask: 'void *',
      encoder_pos: 'void *',
      num_tokens: 'int',
    }),
    resultCallback: pointerTo(koffi.proto('int', [pointerTo(RKLLMResult), 'void *', 'int'])),
  };
}

/** Sampling and limits at the start of the parameters, the same in both profiles. */
const PARAM_HEAD = {
  model_path: 'str',
  max_context_len: 'int32_t',
  max_new_tokens: 'int32_t',
  top_k: 'int32_t',
  n_keep: 'int32_t',
  top_p: 'float',
  temperature: 'float',
  repeat_penalty: 'float',
  frequency_penalty: 'float',
  presence_penalty: 'float',
  mirostat: 'int32_t',
  mirostat_tau: 'float',
  mirostat_eta: 'float',
  skip_special_token: 'bool',
} as const;

function inputOf(common: ReturnType<typeof commonStructs>, multimodal: TypeObject): TypeObject {
  return koffi.struct({
    role: 'str',
    enable_thinking: 'bool',
    input_type: 'int',
    input: koffi.union({
      prompt_input: 'str',
      embed_input: common.RKLLMEmbedInput,
      token_input: common.RKLLMTokenInput,
      multimodal_input: multimodal,
    }),
  });
}

function structs12(): RkllmStructs {
  const common = commonStructs();
  const RKLLMMultiModalInput = koffi.struct({
    prompt: 'str',
    image_embed: 'void *',
    n_image_tokens: 'size_t',
    n_image: 'size_t',
    image_width: 'size_t',
    image_height: 'size_t',
  });
  return {
    ...common,
    RKLLMMultiModalInput,
    RKLLMInput: inputOf(common, RKLLMMultiModalInput),
    RKLLMParam: koffi.struct({
      ...PARAM_HEAD,
      is_async: 'bool',
      img_start: 'str',
      img_end: 'str',
      img_content: 'str',
      extend_param: common.RKLLMExtendParam,
    }),
    RKLLMInferParam: koffi.struct({
      mode: 'int',
      lora_params: pointerTo(common.RKLLMLoraParam),
      prompt_cache_params: pointerTo(common.RKLLMPromptCacheParam),
      keep_history: 'int',
    }),
  };
}

function structs13(): RkllmStructs {
  const common = commonStructs();
  const RKLLMMultiModalInput = koffi.struct({
    prompt: 'str',
    image: koffi.struct({
      image_embed: 'void *',
      n_image_tokens: 'size_t',
      n_image: 'size_t',
      image_start: 'str',
      image_end: 'str',
      image_content: 'str',
      image_width: 'size_t',
      image_height: 'size_t',
    }),
    video: koffi.struct({
      video_embed: 'void *',
      n_frame_tokens: 'size_t',
      n_frame_per_video: 'size_t',
      n_video: 'size_t',
      video_start: 'str',
      video_end: 'str',
      video_content: 'str',
      frame_width: 'size_t',
      frame_height: 'size_t',
    }),
  });
  const RKLLMSamplingParam = koffi.struct({
    top_k: 'int32_t',
    top_p: 'float',
    temperature: 'float',
    repeat_penalty: 'float',
    frequency_penalty: 'float',
    presence_penalty: 'float',
    mirostat: 'int32_t',
    mirostat_tau: 'float',
    mirostat_eta: 'float',
  });
  return {
    ...common,
    RKLLMMultiModalInput,
    RKLLMSamplingParam,
    RKLLMInput: inputOf(common, RKLLMMultiModalInput),
    RKLLMParam: koffi.struct({
      ...PARAM_HEAD,
      ignore_eos_token: 'bool',
      is_async: 'bool',
      extend_param: common.RKLLMExtendParam,
    }),
    RKLLMInferParam: koffi.struct({
      mode: 'int',
      lora_params: pointerTo(common.RKLLMLoraParam),
      prompt_cache_params: pointerTo(common.RKLLMPromptCacheParam),
      sampling_params: pointerTo(RKLLMSamplingParam),
      keep_history: 'int',
      max_new_tokens: 'int32_t',
    }),
    RKLLMCallback: koffi.struct({
      result_callback: common.resultCallback,
      result_userdata: 'void *',
      tokenizer_callback: 'void *',
      tokenizer_userdata: 'void *',
      embed_callback: 'void *',
      embed_userdata: 'void *',
    }),
  };
}
