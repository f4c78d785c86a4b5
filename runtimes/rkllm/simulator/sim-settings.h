/* Where the simulator's behaviour comes from: environment, stand-in model file, prompt markers, fault file. */
#ifndef SLUICE_SIM_SETTINGS_H
#define SLUICE_SIM_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#define SIM_TEXT_MAX 65536

/* The stand-in of a model: its text, of which the first line is "RKLLM-SIM 1" and the rest are key=value lines. */
typedef struct {
  char *text;
} StandIn;

/* What goes wrong, and after how many tokens of a run. */
typedef struct {
  char what[16];
  int after;
} Fault;

/* Reads a stand-in; 0 on success, -1 where the file cannot be read, -2 where it is no stand-in. */
int stand_in_read(StandIn *model, const char *path);
void stand_in_free(StandIn *model);

/* RKLLM_SIM_<KEY> of the environment, else `key=` of the stand-in, else `fallback`. `out` holds `size` bytes. */
const char *setting_text(const StandIn *model, const char *key, const char *fallback, char *out, size_t size);
double setting_number(const StandIn *model, const char *key, double fallback);

/*
 * The fault for `where` (init, run, abort, destroy): from the marker [[sim:what@after]] in the prompt, from the file
 * RKLLM_SIM_FAULT_FILE names, or from RKLLM_SIM_FAULT; the last two are lists `where:what@after,…`. False where none.
 */
bool fault_find(const char *where, const char *prompt, Fault *fault);

/* segv, abort, ill: dies by that signal. hang: never returns. Anything else is the caller's business. */
void fault_strike(const Fault *fault);

/* Appends one JSON line to the file RKLLM_SIM_TRACE names; does nothing without it. */
void trace_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Escapes text for a JSON string. Returns `out`. */
const char *json_text(const char *text, char *out, size_t size);

#endif
