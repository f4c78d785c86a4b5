#include "sim-settings.h"

#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *read_whole(const char *path, size_t most) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  char *text = malloc(most + 1);
  size_t length = text == NULL ? 0 : fread(text, 1, most, file);
  fclose(file);
  if (text != NULL) text[length] = '\0';
  return text;
}

int stand_in_read(StandIn *model, const char *path) {
  static const char magic[] = "RKLLM-SIM 1\n";
  model->text = path == NULL ? NULL : read_whole(path, SIM_TEXT_MAX);
  if (model->text == NULL) return -1;
  if (strncmp(model->text, magic, sizeof magic - 1) == 0) return 0;
  stand_in_free(model);
  return -2;
}

void stand_in_free(StandIn *model) {
  free(model->text);
  model->text = NULL;
}

static bool find_line(const char *text, const char *key, char *out, size_t size) {
  size_t length = strlen(key);
  for (const char *line = text; line != NULL && *line != '\0';) {
    const char *end = strchr(line, '\n');
    if (strncmp(line, key, length) == 0 && line[length] == '=') {
      const char *value = line + length + 1;
      size_t bytes = end == NULL ? strlen(value) : (size_t)(end - value);
      if (bytes >= size) bytes = size - 1;
      memcpy(out, value, bytes);
      out[bytes] = '\0';
      return true;
    }
    line = end == NULL ? NULL : end + 1;
  }
  return false;
}

const char *setting_text(const StandIn *model, const char *key, const char *fallback, char *out, size_t size) {
  char name[64] = "RKLLM_SIM_";
  size_t used = strlen(name);
  for (const char *at = key; *at != '\0' && used < sizeof name - 1; at += 1) name[used++] = (char)toupper(*at);
  const char *value = getenv(name);
  if (value == NULL && model->text != NULL && find_line(model->text, key, out, size)) return out;
  snprintf(out, size, "%s", value == NULL ? fallback : value);
  return out;
}

double setting_number(const StandIn *model, const char *key, double fallback) {
  char text[64];
  setting_text(model, key, "", text, sizeof text);
  return text[0] == '\0' ? fallback : strtod(text, NULL);
}

static bool parse_fault(const char *text, Fault *fault) {
  fault->after = 0;
  return sscanf(text, "%15[a-z]@%d", fault->what, &fault->after) >= 1;
}

static bool find_in_list(const char *list, const char *where, Fault *fault) {
  size_t length = strlen(where);
  for (const char *at = list; at != NULL; at = strchr(at, ',')) {
    if (*at == ',') at += 1;
    if (strncmp(at, where, length) == 0 && at[length] == ':') return parse_fault(at + length + 1, fault);
  }
  return false;
}

bool fault_find(const char *where, const char *prompt, Fault *fault) {
  if (prompt != NULL && strcmp(where, "run") == 0) {
    // The last marker counts: earlier ones stand in the history of a conversation.
    const char *marker = NULL;
    for (const char *at = strstr(prompt, "[[sim:"); at != NULL; at = strstr(at + 1, "[[sim:")) marker = at;
    if (marker != NULL) return parse_fault(marker + strlen("[[sim:"), fault);
  }
  const char *path = getenv("RKLLM_SIM_FAULT_FILE");
  char *list = path == NULL ? NULL : read_whole(path, 1024);
  bool found = list != NULL && find_in_list(list, where, fault);
  free(list);
  if (found) return true;
  const char *fixed = getenv("RKLLM_SIM_FAULT");
  return fixed != NULL && find_in_list(fixed, where, fault);
}

void fault_strike(const Fault *fault) {
  if (strcmp(fault->what, "segv") == 0) {
    // A real access, so that it is the kernel's own fault and not only its signal.
    volatile int *volatile nowhere = (volatile int *)8;
    *nowhere = 1;
  }
  if (strcmp(fault->what, "abort") == 0) {
    fprintf(stderr, "GGML_ASSERT(simulated) failed\n");
    abort();
  }
  if (strcmp(fault->what, "ill") == 0) __builtin_trap();
  if (strcmp(fault->what, "hang") == 0)
    for (;;) pause();
}

void trace_line(const char *format, ...) {
  const char *path = getenv("RKLLM_SIM_TRACE");
  FILE *file = path == NULL ? NULL : fopen(path, "a");
  if (file == NULL) return;
  va_list arguments;
  va_start(arguments, format);
  vfprintf(file, format, arguments);
  va_end(arguments);
  fputc('\n', file);
  fclose(file);
}

const char *json_text(const char *text, char *out, size_t size) {
  size_t used = 0;
  for (const unsigned char *at = (const unsigned char *)(text == NULL ? "" : text); *at != 0 && used + 7 < size; at += 1) {
    if (*at == '"' || *at == '\\') {
      out[used++] = '\\';
      out[used++] = (char)*at;
    } else if (*at < 0x20) {
      used += (size_t)snprintf(out + used, size - used, "\\u%04x", *at);
    } else {
      out[used++] = (char)*at;
    }
  }
  out[used] = '\0';
  return out;
}
