/*
 * A stand-in for librkllmrt.so: the same symbols, the same binary interface, the same log lines on stdout, and every
 * way to fail that was reported of the real one. It computes nothing; it answers a script at a chosen speed.
 * README.md in this folder lists what can be set.
 *
 *   run:  prefill (waits) → token → token → … → FINISH      abort wakes any wait and ends in FINISH
 *         each step may strike a fault; the callbacks come on the caller's thread or on one of our own
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rkllm-abi.h"
#include "sim-settings.h"

#ifndef SIM_VERSION
#define SIM_VERSION "1.3.0"
#endif
#define STRING_MAX 256
#define SCRIPT_MAX 32768

/* What a scan of the file finds, spelt as in the real library. */
__attribute__((used)) static const char version_text[] =
    "RKLLM SDK (version: " SIM_VERSION " (sluice simulator, no hardware))";

enum { NORMAL = 0, WAITING = 1, FINISH = 2, ERROR = 3 };
enum { GENERATE = 0, HIDDEN = 1, LOGITS = 2 };

typedef struct {
  StandIn model;
  RKLLMParam param;
  LLMResultCallback callback;
  void *callback_userdata;
  int context;
  int kv_tokens;
  bool hidden_dirty;
  char *system;
  char *prefix;
  char *postfix;
  char *cache;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool running;
  bool aborted;
} Handle;

typedef struct {
  Handle *handle;
  RKLLMInput *input;
  RKLLMInferParam infer;
  void *userdata;
  Fault fault;
  bool has_fault;
  int result;
} Run;

static void log_line(const char *line) {
  printf("%s\n", line);
  fflush(stdout);
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1000.0 + (double)now.tv_nsec / 1e6;
}

/* Waits, unless an abort comes first. Returns false when it came. */
static bool wait_ms(Handle *handle, double ms) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  double seconds = floor(ms / 1000.0);
  until.tv_sec += (time_t)seconds;
  until.tv_nsec += (long)((ms - seconds * 1000.0) * 1e6);
  if (until.tv_nsec >= 1000000000L) {
    until.tv_sec += 1;
    until.tv_nsec -= 1000000000L;
  }
  pthread_mutex_lock(&handle->lock);
  while (!handle->aborted && ms > 0 &&
         pthread_cond_timedwait(&handle->changed, &handle->lock, &until) != ETIMEDOUT) {
  }
  bool go_on = !handle->aborted;
  pthread_mutex_unlock(&handle->lock);
  return go_on;
}

static double scaled(const Handle *handle, const char *key, double fallback) {
  return setting_number(&handle->model, key, fallback) * setting_number(&handle->model, "scale", 1.0);
}

/* Times of the published tables are given as they stand there: first token of 128, and tokens per second. */
static double prefill_ms(const Handle *handle) {
  return scaled(handle, "prefill_ms", setting_number(&handle->model, "ttft_ms", 0.0) / 128.0);
}

static double decode_ms(const Handle *handle) {
  double rate = setting_number(&handle->model, "tokens_per_s", 0.0);
  return scaled(handle, "decode_ms", rate > 0 ? 1000.0 / rate : 0.0);
}

/* A token is about four bytes of text. */
static int count_tokens(const char *text) { return (int)((strlen(text) + 3) / 4); }

static float peak_memory_mb(void) {
  FILE *status = fopen("/proc/self/status", "r");
  char line[STRING_MAX];
  long kib = 0;
  while (status != NULL && fgets(line, sizeof line, status) != NULL) sscanf(line, "VmHWM: %ld", &kib);
  if (status != NULL) fclose(status);
  return (float)kib / 1024.0f;
}

RKLLMParam rkllm_createDefaultParam(void) {
  RKLLMParam param;
  memset(&param, 0, sizeof param);
  param.max_context_len = 4096;
  param.max_new_tokens = -1;
  param.top_k = 40;
  param.n_keep = -1;
  param.top_p = 0.9f;
  param.temperature = 0.8f;
  param.repeat_penalty = 1.1f;
  param.mirostat_tau = 5.0f;
  param.mirostat_eta = 0.1f;
  param.skip_special_token = true;
  param.extend_param.n_batch = 1;
  return param;
}

static int parse_version(const char *text) {
  int parts[3] = {0, 0, 0};
  sscanf(text, "%d.%d.%d", &parts[0], &parts[1], &parts[2]);
  return parts[0] * 10000 + parts[1] * 100 + parts[2];
}

/* The checks the real library makes, with its words. Returns 0 where the model may be used. */
static int check_model(const StandIn *model, const RKLLMParam *param) {
  char platform[STRING_MAX], soc[STRING_MAX], toolkit[STRING_MAX], driver[STRING_MAX], dtype[STRING_MAX];
  setting_text(model, "platform", "RK3588", platform, sizeof platform);
  setting_text(model, "soc", platform, soc, sizeof soc);
  for (char *at = soc; *at != '\0'; at += 1) *at = (*at >= 'a' && *at <= 'z') ? (char)(*at - 32) : *at;
  setting_text(model, "toolkit", "1.2.1", toolkit, sizeof toolkit);
  setting_text(model, "driver", "0.9.8", driver, sizeof driver);
  setting_text(model, "dtype", "w8a8", dtype, sizeof dtype);
  for (char *at = dtype; *at != '\0'; at += 1) *at = (*at >= 'a' && *at <= 'z') ? (char)(*at - 32) : *at;
  int limit = (int)setting_number(model, "context", 4096);
  printf("I rkllm: rkllm-runtime version: %s, rknpu driver version: %s, platform: %s\n", SIM_VERSION, driver, platform);
  if (parse_version(driver) < 907) {
    log_line("W rkllm: Warning: Your rknpu driver version is too low, please upgrade to 0.9.7");
  }
  printf("I rkllm: loading rkllm model from %s\n", param->model_path);
  printf("I rkllm: rkllm-toolkit version: %s, max_context_limit: %d, npu_core_num: %d, target_platform: %s, model_dtype: %s\n",
         toolkit, limit, (int)setting_number(model, "cores", 3), soc, dtype);
  fflush(stdout);
  if (strcmp(platform, soc) != 0) {
    log_line("E rkllm: the model's target_platform does not match the real platform");
    return -1;
  }
  if (parse_version(toolkit) > parse_version(SIM_VERSION)) {
    log_line("E rkllm: The rkllm-runtime version is lower than the rkllm-toolkit version, please update the rkllm-runtime");
    return -1;
  }
  if (param->max_context_len > limit) {
    printf("E rkllm: max_context[%d] must be less than the model's max_context_limit[%d]\n", param->max_context_len, limit);
    fflush(stdout);
    return -1;
  }
  return 0;
}

static void log_cpus(const RKLLMParam *param) {
  printf("I rkllm: Enabled cpus: [");
  const char *separator = "";
  for (int cpu = 0; cpu < 8; cpu += 1) {
    if ((param->extend_param.enabled_cpus_mask & (1u << cpu)) == 0) continue;
    printf("%s%d", separator, cpu);
    separator = ", ";
  }
  printf("]\nI rkllm: Enabled cpus num: %d\n", param->extend_param.enabled_cpus_num);
  fflush(stdout);
}

static void trace_init(const RKLLMParam *param) {
  char path[STRING_MAX * 4];
  trace_line("{\"call\":\"init\",\"abi\":%d,\"model_path\":\"%s\",\"max_context_len\":%d,\"max_new_tokens\":%d,"
             "\"top_k\":%d,\"n_keep\":%d,\"top_p\":%.4f,\"temperature\":%.4f,\"repeat_penalty\":%.4f,"
             "\"frequency_penalty\":%.4f,\"presence_penalty\":%.4f,\"skip_special_token\":%d,\"is_async\":%d,"
             "\"base_domain_id\":%d,\"embed_flash\":%d,\"enabled_cpus_num\":%d,\"enabled_cpus_mask\":%u,\"n_batch\":%d}",
             SIM_ABI, json_text(param->model_path, path, sizeof path), param->max_context_len, param->max_new_tokens,
             param->top_k, param->n_keep, param->top_p, param->temperature, param->repeat_penalty,
             param->frequency_penalty, param->presence_penalty, param->skip_special_token, param->is_async,
             param->extend_param.base_domain_id, param->extend_param.embed_flash, param->extend_param.enabled_cpus_num,
             param->extend_param.enabled_cpus_mask, param->extend_param.n_batch);
}

static int init_handle(LLMHandle *out, RKLLMParam *param, LLMResultCallback callback, void *userdata) {
  *out = NULL;
  trace_init(param);
  Fault fault;
  bool faulty = fault_find("init", NULL, &fault);
  if (faulty) fault_strike(&fault);
  if (faulty && strcmp(fault.what, "fail") == 0) {
    log_line("E rkllm: failed to malloc npu memory, size: 1073741824");
    return -1;
  }
  if (faulty && strcmp(fault.what, "null") == 0) return 0;
  StandIn model;
  int read = stand_in_read(&model, param->model_path);
  if (read != 0) {
    log_line(read == -1 ? "E rkllm: failed to open rkllm model" : "E rkllm: invalid rkllm model!");
    return -1;
  }
  if (check_model(&model, param) != 0) {
    stand_in_free(&model);
    return -1;
  }
  Handle *handle = calloc(1, sizeof *handle);
  handle->model = model;
  handle->param = *param;
  handle->callback = callback;
  handle->callback_userdata = userdata;
  handle->context = param->max_context_len > 0 ? param->max_context_len : (int)setting_number(&model, "context", 4096);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&handle->changed, &attributes);
  pthread_mutex_init(&handle->lock, NULL);
  wait_ms(handle, scaled(handle, "load_ms", 0.0));
  log_cpus(param);
  *out = handle;
  return 0;
}

#if SIM_ABI == 13
int rkllm_init(LLMHandle *out, RKLLMParam *param, RKLLMCallback *callbacks) {
  return init_handle(out, param, callbacks->result_callback, callbacks->result_userdata);
}
#else
int rkllm_init(LLMHandle *out, RKLLMParam *param, LLMResultCallback callback) {
  return init_handle(out, param, callback, NULL);
}
#endif

static int null_handle(const char *function) {
  fprintf(stdout, "E rkllm: %s: handle is NULL\n", function);
  fflush(stdout);
  return -1;
}

static int emit(Run *run, RKLLMResult *result, LLMCallState state) {
  void *userdata = run->userdata == NULL ? run->handle->callback_userdata : run->userdata;
  return run->handle->callback(result, userdata, state);
}

static int fail_run(Run *run, const char *line) {
  log_line(line);
  emit(run, NULL, ERROR);
  return -1;
}

/* One step of a script: the bytes up to '|', with \n, \| and \xNN read. Returns where the next one begins. */
static const char *next_piece(const char *script, char *piece, size_t size) {
  size_t used = 0;
  const char *at = script;
  for (; *at != '\0' && *at != '|' && used < size - 1; at += 1) {
    unsigned int byte = (unsigned char)*at;
    if (*at == '\\' && at[1] == 'x' && sscanf(at + 2, "%2x", &byte) == 1) at += 3;
    else if (*at == '\\' && at[1] != '\0') {
      at += 1;
      byte = *at == 'n' ? '\n' : (unsigned char)*at;
    }
    piece[used++] = (char)byte;
  }
  piece[used] = '\0';
  return *at == '|' ? at + 1 : at;
}

/* Gives a token's bytes out: whole, or one byte at a time with WAITING and no text until a character is complete. */
static int emit_token(Run *run, const char *text, int id) {
  RKLLMResult result;
  memset(&result, 0, sizeof result);
  result.token_id = id;
  if (setting_number(&run->handle->model, "split_utf8", 0) == 0) {
    result.text = text;
    return emit(run, &result, NORMAL);
  }
  bool waiting = setting_number(&run->handle->model, "waiting", 0) != 0;
  char held[8];
  size_t used = 0;
  int answer = 0;
  for (const char *at = text; *at != '\0' && answer == 0; at += 1) {
    held[used++] = *at;
    held[used] = '\0';
    bool more = (at[1] & 0xC0) == 0x80 && used < sizeof held - 1;
    if (waiting && more) {
      result.text = NULL;
      answer = emit(run, &result, WAITING);
      continue;
    }
    result.text = held;
    answer = emit(run, &result, NORMAL);
    used = 0;
  }
  return answer;
}

static char *make_prompt(const Handle *handle, const RKLLMInput *input) {
  const char *text = input->input_type == 0 && input->prompt_input != NULL ? input->prompt_input : "";
  const char *parts[] = {handle->system, handle->prefix, text, handle->postfix};
  size_t length = 1;
  for (size_t index = 0; index < 4; index += 1) length += parts[index] == NULL ? 0 : strlen(parts[index]);
  char *prompt = calloc(1, length);
  for (size_t index = 0; index < 4; index += 1) strcat(prompt, parts[index] == NULL ? "" : parts[index]);
  return prompt;
}

static int max_new_tokens(const Run *run) {
#if SIM_ABI == 13
  if (run->infer.max_new_tokens > 0) return run->infer.max_new_tokens;
#endif
  return run->handle->param.max_new_tokens > 0 ? run->handle->param.max_new_tokens : run->handle->context;
}

/* Decodes the script. Returns the tokens given out, or -1 where a fault ended the run with an ERROR of its own. */
static int decode(Run *run, const char *script, int room) {
  Handle *handle = run->handle;
  double step = decode_ms(handle);
  int repeat = (int)setting_number(&handle->model, "repeat", 1);
  int given = 0;
  char piece[SCRIPT_MAX];
  for (int round = 0; round < repeat; round += 1) {
    for (const char *at = script; *at != '\0';) {
      at = next_piece(at, piece, sizeof piece);
      if (given >= max_new_tokens(run)) return given;
      if (run->has_fault && given >= run->fault.after) {
        fault_strike(&run->fault);
        if (strcmp(run->fault.what, "error") == 0) return fail_run(run, "E rkllm: matmul(w8a8) run failed");
        if (strcmp(run->fault.what, "stall") == 0) wait_ms(handle, 3600000.0);
      }
      if (given >= room) return fail_run(run, "E rkllm: the context is not enough!");
      if (!wait_ms(handle, given == 0 ? 0 : step)) return given;
      given += 1;
      if (emit_token(run, piece, given) == 1) return given;
    }
  }
  return given;
}

static uint32_t mix(uint32_t seed) {
  seed ^= seed << 13;
  seed ^= seed >> 17;
  return seed ^ (seed << 5);
}

/* What a run of hidden states leaves behind where the callback did not say that the rows may be freed. */
static void leak_unless_freed(Handle *handle, int answer) {
  size_t bytes = (size_t)setting_number(&handle->model, "leak_mib", 0) << 20;
  if (bytes == 0 || answer == 2) return;
  volatile char *lost = malloc(bytes);
  /* Touched, page by page: memory nobody wrote to is not resident. */
  for (size_t at = 0; lost != NULL && at < bytes; at += 4096) lost[at] = 1;
}

/* Rows of made-up floats that depend on the prompt; a second hidden-layer run on an uncleared cache gives zeros. */
static int give_rows(Run *run, const char *prompt, int tokens, int mode) {
  Handle *handle = run->handle;
  int width = (int)setting_number(&handle->model, mode == HIDDEN ? "embedding" : "vocabulary", mode == HIDDEN ? 64 : 16384);
  size_t count = (size_t)width * (size_t)tokens;
  float *rows = calloc(count, sizeof *rows);
  bool zeros = mode == HIDDEN && handle->hidden_dirty;
  uint32_t seed = 2166136261u;
  for (const char *at = prompt; *at != '\0'; at += 1) seed = (seed ^ (unsigned char)*at) * 16777619u;
  for (size_t index = 0; index < count && !zeros; index += 1) {
    seed = mix(seed == 0 ? 1 : seed);
    rows[index] = (float)(seed % 2000) / 1000.0f - 1.0f;
  }
  RKLLMResult result;
  memset(&result, 0, sizeof result);
  if (mode == HIDDEN) result.last_hidden_layer = (RKLLMResultLastHiddenLayer){rows, width, tokens};
  else result.logits = (RKLLMResultLogits){rows, width, tokens};
  int answer = emit(run, &result, NORMAL);
  trace_line("{\"call\":\"rows\",\"mode\":%d,\"returned\":%d}", mode, answer);
  handle->hidden_dirty = true;
  leak_unless_freed(handle, answer);
  free(rows);
  return 0;
}

static void finish(Run *run, double started_ms, double first_ms, int prompt_tokens, int tokens) {
  RKLLMResult result;
  memset(&result, 0, sizeof result);
  result.perf.prefill_time_ms = (float)(first_ms - started_ms);
  result.perf.prefill_tokens = prompt_tokens;
  result.perf.generate_time_ms = (float)(now_ms() - first_ms);
  result.perf.generate_tokens = tokens;
  result.perf.memory_usage_mb = peak_memory_mb();
  emit(run, &result, FINISH);
}

/* How many tokens of the prompt a loaded prompt cache, which is the text it was saved from, spares the prefill. */
static int cached_tokens(const Handle *handle, const char *prompt) {
  const char *cache = handle->cache;
  return cache != NULL && strncmp(prompt, cache, strlen(cache)) == 0 ? (int)strlen(cache) / 4 : 0;
}

static void save_cache(const Run *run, const char *prompt) {
  const RKLLMPromptCacheParam *cache = run->infer.prompt_cache_params;
  if (cache == NULL || cache->save_prompt_cache == 0) return;
  FILE *file = fopen(cache->prompt_cache_path, "wb");
  if (file == NULL) return;
  fputs(prompt, file);
  fclose(file);
}

/* Inference code keeps arrays on the stack; a caller that gives it little dies here. */
static void use_stack(size_t bytes) {
  if (bytes == 0) return;
  volatile char *array = alloca(bytes);
  for (size_t at = 0; at < bytes; at += 4096) array[at] = 1;
}

static int run_prompt(Run *run, const char *prompt) {
  Handle *handle = run->handle;
  use_stack((size_t)setting_number(&handle->model, "stack_kib", 0) * 1024);
  int tokens = run->input->input_type == 1 ? (int)run->input->token_input.n_tokens : count_tokens(prompt);
  if (run->infer.mode == GENERATE && run->infer.keep_history == 0) handle->kv_tokens = 0;
  int spared = cached_tokens(handle, prompt);
  if (handle->kv_tokens + tokens > handle->context) {
    printf("E rkllm: the length of prompt is greater than max context (%d)\n", handle->context);
    return fail_run(run, "E rkllm: rkllm_run failed");
  }
  double started_ms = now_ms();
  if (run->has_fault && run->fault.after < 0) fault_strike(&run->fault);
  bool go_on = wait_ms(handle, prefill_ms(handle) * (tokens - spared));
  double first_ms = now_ms();
  int given = 0;
  if (go_on && run->infer.mode != GENERATE) {
    give_rows(run, prompt, tokens, run->infer.mode);
  } else if (go_on) {
    char script[SCRIPT_MAX];
    setting_text(&handle->model, "answer", "Hello| from| the| simulated| NPU|.", script, sizeof script);
    given = decode(run, strcmp(script, "echo") == 0 ? prompt : script, handle->context - handle->kv_tokens - tokens);
    if (given < 0) return -1;
    save_cache(run, prompt);
  }
  handle->kv_tokens += tokens + given;
  finish(run, started_ms, first_ms, tokens - spared, given);
  return 0;
}

static void trace_run(const Run *run, const char *prompt) {
  static char escaped[SIM_TEXT_MAX * 2];
  char lora[STRING_MAX], role[STRING_MAX];
  const RKLLMInferParam *infer = &run->infer;
  int max_new = -1;
  double temperature = run->handle->param.temperature;
  int top_k = run->handle->param.top_k;
#if SIM_ABI == 13
  max_new = infer->max_new_tokens;
  if (infer->sampling_params != NULL) temperature = infer->sampling_params->temperature;
  if (infer->sampling_params != NULL) top_k = infer->sampling_params->top_k;
#endif
  trace_line("{\"call\":\"run\",\"mode\":%d,\"role\":\"%s\",\"thinking\":%d,\"keep_history\":%d,\"max_new_tokens\":%d,"
             "\"temperature\":%.4f,\"top_k\":%d,\"lora\":\"%s\",\"save_cache\":%d,\"prompt\":\"%s\"}",
             infer->mode, json_text(run->input->role, role, sizeof role), run->input->enable_thinking,
             infer->keep_history, max_new, temperature, top_k,
             json_text(infer->lora_params == NULL ? "" : infer->lora_params->lora_adapter_name, lora, sizeof lora),
             infer->prompt_cache_params == NULL ? 0 : infer->prompt_cache_params->save_prompt_cache,
             json_text(prompt, escaped, sizeof escaped));
}

static void *run_thread(void *argument) {
  Run *run = argument;
  char *prompt = make_prompt(run->handle, run->input);
  run->has_fault = fault_find("run", prompt, &run->fault);
  trace_run(run, prompt);
  run->result = run_prompt(run, prompt);
  free(prompt);
  return NULL;
}

int rkllm_run(LLMHandle opaque, RKLLMInput *input, RKLLMInferParam *infer, void *userdata) {
  Handle *handle = opaque;
  if (handle == NULL) return null_handle("rkllm_run");
  pthread_mutex_lock(&handle->lock);
  bool busy = handle->running;
  if (!busy) handle->running = true;
  if (!busy) handle->aborted = false;
  pthread_mutex_unlock(&handle->lock);
  if (busy) {
    log_line("E rkllm: rkllm_run: another run is active");
    return -1;
  }
  char thread[STRING_MAX];
  setting_text(&handle->model, "thread", "caller", thread, sizeof thread);
  Run run = {.handle = handle, .input = input, .infer = *infer, .userdata = userdata};
  if (strcmp(thread, "foreign") == 0) {
    pthread_t own;
    pthread_create(&own, NULL, run_thread, &run);
    pthread_join(own, NULL);
  } else {
    run_thread(&run);
  }
  pthread_mutex_lock(&handle->lock);
  handle->running = false;
  pthread_cond_broadcast(&handle->changed);
  pthread_mutex_unlock(&handle->lock);
  return run.result;
}

int rkllm_run_async(LLMHandle opaque, RKLLMInput *input, RKLLMInferParam *infer, void *userdata) {
  (void)input, (void)infer, (void)userdata;
  // Never used by the worker: it gave no output in several releases.
  return opaque == NULL ? null_handle("rkllm_run_async") : -1;
}

int rkllm_abort(LLMHandle opaque) {
  Handle *handle = opaque;
  if (handle == NULL) return null_handle("rkllm_abort");
  trace_line("{\"call\":\"abort\"}");
  Fault fault;
  if (fault_find("abort", NULL, &fault)) fault_strike(&fault);
  pthread_mutex_lock(&handle->lock);
  bool running = handle->running;
  if (running) handle->aborted = true;
  pthread_cond_broadcast(&handle->changed);
  pthread_mutex_unlock(&handle->lock);
  return running ? 0 : -1;
}

int rkllm_destroy(LLMHandle opaque) {
  Handle *handle = opaque;
  if (handle == NULL) return null_handle("rkllm_destroy");
  trace_line("{\"call\":\"destroy\",\"running\":%d}", handle->running);
  Fault fault;
  if (fault_find("destroy", NULL, &fault)) fault_strike(&fault);
  // The real one blocks while an operation is active.
  pthread_mutex_lock(&handle->lock);
  while (handle->running) pthread_cond_wait(&handle->changed, &handle->lock);
  pthread_mutex_unlock(&handle->lock);
  stand_in_free(&handle->model);
  free(handle->system), free(handle->prefix), free(handle->postfix), free(handle->cache);
  free(handle);
  return 0;
}

int rkllm_is_running(LLMHandle opaque) {
  Handle *handle = opaque;
  if (handle == NULL) return null_handle("rkllm_is_running");
  // 1.3 documents 1 as running, earlier releases 0.
  return SIM_ABI == 13 ? handle->running : !handle->running;
}

int rkllm_clear_kv_cache(LLMHandle opaque, int keep_system_prompt, int *start, int *end) {
  Handle *handle = opaque;
  if (handle == NULL) return null_handle("rkllm_clear_kv_cache");
  trace_line("{\"call\":\"clear\",\"keep_system_prompt\":%d,\"ranges\":%d}", keep_system_prompt, start != NULL || end != NULL);
  handle->kv_tokens = 0;
  handle->hidden_dirty = false;
  return 0;
}

int rkllm_get_kv_cache_size(LLMHandle opaque, int *sizes) {
  Handle *handle = opaque;
  if (handle == NULL) return null_handle("rkllm_get_kv_cache_size");
  sizes[0] = handle->kv_tokens;
  return 0;
}

static void keep_text(char **field, const char *text) {
  free(*field);
  *field = strdup(text == NULL ? "" : text);
}

int rkllm_set_chat_template(LLMHandle opaque, const char *system, const char *prefix, const char *postfix) {
  Handle *handle = opaque;
  if (handle == NULL) return null_handle("rkllm_set_chat_template");
  keep_text(&handle->system, system);
  keep_text(&handle->prefix, prefix);
  keep_text(&handle->postfix, postfix);
  char parts[3][1024];
  trace_line("{\"call\":\"set_chat_template\",\"system\":\"%s\",\"prefix\":\"%s\",\"postfix\":\"%s\"}",
             json_text(system, parts[0], 1024), json_text(prefix, parts[1], 1024), json_text(postfix, parts[2], 1024));
  log_line("W rkllm: Calling rkllm_set_chat_template will disable the internal automatic chat template parsing, including enable_thinking.");
  return 0;
}

int rkllm_set_function_tools(LLMHandle opaque, const char *system, const char *tools, const char *tag) {
  Handle *handle = opaque;
  if (handle == NULL) return null_handle("rkllm_set_function_tools");
  keep_text(&handle->system, system);
  static char escaped[SIM_TEXT_MAX];
  char parts[2][1024];
  trace_line("{\"call\":\"set_function_tools\",\"system\":\"%s\",\"tag\":\"%s\",\"tools\":\"%s\"}",
             json_text(system, parts[0], 1024), json_text(tag, parts[1], 1024), json_text(tools, escaped, sizeof escaped));
  return 0;
}

int rkllm_set_cross_attn_params(LLMHandle opaque, RKLLMCrossAttnParam *params) {
  return opaque == NULL || params == NULL ? null_handle("rkllm_set_cross_attn_params") : 0;
}

int rkllm_load_lora(LLMHandle opaque, RKLLMLoraAdapter *adapter) {
  if (opaque == NULL) return null_handle("rkllm_load_lora");
  bool there = access(adapter->lora_adapter_path, R_OK) == 0;
  char parts[2][1024];
  trace_line("{\"call\":\"load_lora\",\"name\":\"%s\",\"path\":\"%s\",\"scale\":%.2f}",
             json_text(adapter->lora_adapter_name, parts[0], 1024), json_text(adapter->lora_adapter_path, parts[1], 1024),
             adapter->scale);
  if (!there) log_line("E rkllm: failed to open lora adapter");
  return there ? 0 : -1;
}

int rkllm_load_prompt_cache(LLMHandle opaque, const char *path) {
  Handle *handle = opaque;
  if (handle == NULL) return null_handle("rkllm_load_prompt_cache");
  FILE *file = fopen(path, "rb");
  trace_line("{\"call\":\"load_prompt_cache\",\"found\":%d}", file != NULL);
  if (file == NULL) return -1;
  free(handle->cache);
  handle->cache = calloc(1, SIM_TEXT_MAX + 1);
  size_t length = fread(handle->cache, 1, SIM_TEXT_MAX, file);
  handle->cache[length] = '\0';
  fclose(file);
  return 0;
}

int rkllm_release_prompt_cache(LLMHandle opaque) {
  Handle *handle = opaque;
  if (handle == NULL) return null_handle("rkllm_release_prompt_cache");
  trace_line("{\"call\":\"release_prompt_cache\"}");
  free(handle->cache);
  handle->cache = NULL;
  return 0;
}
