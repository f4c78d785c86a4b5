/*
 * The RKLLM runtime's binary interface, declared in our own words from the layout tables that were measured on the
 * public releases. Not Rockchip's header, which may not be copied.
 *
 * SIM_ABI chooses the profile: 12 = runtime 1.2.1 to 1.2.3, 13 = runtime 1.3.x. The two export the same names, and a
 * call with the wrong one corrupts memory, which is why the profile is chosen from the version in the library file.
 */
#ifndef SLUICE_RKLLM_ABI_H
#define SLUICE_RKLLM_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef SIM_ABI
#define SIM_ABI 13
#endif

typedef void *LLMHandle;

typedef int LLMCallState; /* 0 normal, 1 waiting for the rest of a character, 2 finish, 3 error */
typedef int RKLLMInputType; /* 0 prompt, 1 token, 2 embed, 3 multimodal */
typedef int RKLLMInferMode; /* 0 generate, 1 last hidden layer, 2 logits */

typedef struct {
  int32_t base_domain_id;
  int8_t embed_flash;
  int8_t enabled_cpus_num;
  uint32_t enabled_cpus_mask;
  uint8_t n_batch;
  int8_t use_cross_attn;
  uint8_t reserved[104];
} RKLLMExtendParam;

typedef struct {
  const char *model_path;
  int32_t max_context_len;
  int32_t max_new_tokens;
  int32_t top_k;
  int32_t n_keep;
  float top_p;
  float temperature;
  float repeat_penalty;
  float frequency_penalty;
  float presence_penalty;
  int32_t mirostat;
  float mirostat_tau;
  float mirostat_eta;
  bool skip_special_token;
#if SIM_ABI == 13
  bool ignore_eos_token;
#endif
  bool is_async;
#if SIM_ABI == 12
  const char *img_start;
  const char *img_end;
  const char *img_content;
#endif
  RKLLMExtendParam extend_param;
} RKLLMParam;

typedef struct {
  const char *lora_adapter_path;
  const char *lora_adapter_name;
  float scale;
} RKLLMLoraAdapter;

typedef struct {
  float *embed;
  size_t n_tokens;
} RKLLMEmbedInput;

typedef struct {
  int32_t *input_ids;
  size_t n_tokens;
} RKLLMTokenInput;

#if SIM_ABI == 13
typedef struct {
  char *prompt;
  struct {
    float *image_embed;
    size_t n_image_tokens;
    size_t n_image;
    const char *image_start;
    const char *image_end;
    const char *image_content;
    size_t image_width;
    size_t image_height;
  } image;
  struct {
    float *video_embed;
    size_t n_frame_tokens;
    size_t n_frame_per_video;
    size_t n_video;
    const char *video_start;
    const char *video_end;
    const char *video_content;
    size_t frame_width;
    size_t frame_height;
  } video;
} RKLLMMultiModalInput;
#else
typedef struct {
  char *prompt;
  float *image_embed;
  size_t n_image_tokens;
  size_t n_image;
  size_t image_width;
  size_t image_height;
} RKLLMMultiModalInput;
#endif

typedef struct {
  const char *role;
  bool enable_thinking;
  RKLLMInputType input_type;
  union {
    const char *prompt_input;
    RKLLMEmbedInput embed_input;
    RKLLMTokenInput token_input;
    RKLLMMultiModalInput multimodal_input;
  };
} RKLLMInput;

typedef struct {
  const char *lora_adapter_name;
} RKLLMLoraParam;

typedef struct {
  int save_prompt_cache;
  const char *prompt_cache_path;
} RKLLMPromptCacheParam;

typedef struct {
  float *encoder_k_cache;
  float *encoder_v_cache;
  float *encoder_mask;
  int32_t *encoder_pos;
  int num_tokens;
} RKLLMCrossAttnParam;

#if SIM_ABI == 13
typedef struct {
  int32_t top_k;
  float top_p;
  float temperature;
  float repeat_penalty;
  float frequency_penalty;
  float presence_penalty;
  int32_t mirostat;
  float mirostat_tau;
  float mirostat_eta;
} RKLLMSamplingParam;
#endif

typedef struct {
  RKLLMInferMode mode;
  RKLLMLoraParam *lora_params;
  RKLLMPromptCacheParam *prompt_cache_params;
#if SIM_ABI == 13
  RKLLMSamplingParam *sampling_params;
#endif
  int keep_history;
#if SIM_ABI == 13
  int32_t max_new_tokens;
#endif
} RKLLMInferParam;

typedef struct {
  const float *hidden_states;
  int embd_size;
  int num_tokens;
} RKLLMResultLastHiddenLayer;

typedef struct {
  const float *logits;
  int vocab_size;
  int num_tokens;
} RKLLMResultLogits;

typedef struct {
  float prefill_time_ms;
  int prefill_tokens;
  float generate_time_ms;
  int generate_tokens;
  float memory_usage_mb;
} RKLLMPerfStat;

typedef struct {
  const char *text;
  int32_t token_id;
  RKLLMResultLastHiddenLayer last_hidden_layer;
  RKLLMResultLogits logits;
  RKLLMPerfStat perf;
} RKLLMResult;

typedef int (*LLMResultCallback)(RKLLMResult *result, void *userdata, LLMCallState state);

#if SIM_ABI == 13
typedef int (*LLMTokenizerCallback)(void *userdata, const char *text, int32_t length, int32_t *tokens, int32_t max);
typedef int (*LLMGetEmbedCallback)(void *userdata, int32_t *tokens, uint64_t count, void *embed, uint64_t bytes);

typedef struct {
  LLMResultCallback result_callback;
  void *result_userdata;
  LLMTokenizerCallback tokenizer_callback;
  void *tokenizer_userdata;
  LLMGetEmbedCallback embed_callback;
  void *embed_userdata;
} RKLLMCallback;
#endif

#endif
