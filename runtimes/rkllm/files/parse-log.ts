import { LOG_PROBLEMS, type LogProblemCode } from './log-problems.ts';
import { normalizedDtype } from './model-name.ts';
import { findSoc } from './soc.ts';

/** What one line of the library's log tells. */
export type LogFact =
  | {
      readonly kind: 'runtime';
      readonly runtimeVersion: string;
      readonly driverVersion: string;
      /** Lower case: `rk3588`. */
      readonly platform: string;
    }
  | { readonly kind: 'loading'; readonly path: string }
  | {
      readonly kind: 'model';
      /** Undefined where the file does not say ("unknown"). */
      readonly toolkitVersion: string | undefined;
      /** Longest context the file allows, tokens. */
      readonly contextMax: number;
      readonly npuCores: number;
      readonly platform: string;
      /** Lower case, e.g. `w8a8_g128`; absent before runtime 1.2.1. */
      readonly dtype: string | undefined;
    }
  | { readonly kind: 'cpus'; readonly cpus: readonly number[] }
  | LogProblem;

/** A line that names a problem we know. */
export type LogProblem = {
  readonly kind: 'problem';
  readonly code: LogProblemCode;
  /** `warning`: the run goes on; `error`: it cannot. */
  readonly severity: 'warning' | 'error';
  /** Trying again with the same file and settings can only fail again. */
  readonly permanent: boolean;
  /** The line without its prefix. */
  readonly message: string;
  readonly remedy: string;
  /** The file's own limit, where the line names it (`context_too_long`). */
  readonly contextMax?: number;
};

// Rockchip's "I rkllm: …" and "E RKNN: [10:00:00.000] …"; colour codes stand around them on a terminal.
const PREFIX = /^\s*(?:([IWED])\s+)?(?:rkllm|RKNN)\s*:\s*(?:\[[^\]]*\]\s*)?/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const COLOUR = /\u001b\[[0-9;]*m/g;

/**
 * Reads one line that librkllmrt, librknnrt or the C library under them printed. Undefined for a line that tells
 * nothing. Lines are those seen in the logs of versions 1.1 to 1.2.3; whether 1.3 words all of them alike is not known.
 */
export function parseLogLine(line: string): LogFact | undefined {
  const text = line.replace(COLOUR, '').trim();
  const prefix = PREFIX.exec(text);
  const message = prefix === null ? text : text.slice(prefix[0].length).trim();
  return readRuntime(message) ?? readModel(message) ?? readOther(message) ?? readProblem(message, prefix?.[1]);
}

function readRuntime(message: string): LogFact | undefined {
  const match =
    /rkllm-runtime version:\s*v?([^\s,]+),\s*rknpu driver version:\s*v?([^\s,]+),\s*platform:\s*([^\s,]+)/i.exec(
      message,
    );
  if (match === null) return undefined;
  const [, runtimeVersion = '', driverVersion = '', platform = ''] = match;
  return { kind: 'runtime', runtimeVersion, driverVersion, platform: platformOf(platform) };
}

function readModel(message: string): LogFact | undefined {
  const match =
    /rkllm-toolkit version:\s*v?([^\s,]+),\s*max_context_limit:\s*(\d+),\s*npu_core_num:\s*(\d+),\s*target_platform:\s*([^\s,]+)(?:,\s*model_dtype:\s*([^\s,]+))?/i.exec(
      message,
    );
  if (match === null) return undefined;
  const [, toolkit = '', context, cores, platform = '', dtype] = match;
  return {
    kind: 'model',
    toolkitVersion: /^\d/.test(toolkit) ? toolkit : undefined,
    contextMax: Number(context),
    npuCores: Number(cores),
    platform: platformOf(platform),
    dtype: normalizedDtype(dtype),
  };
}

function readOther(message: string): LogFact | undefined {
  const loading = /^loading rkllm model from\s+(.+)$/i.exec(message);
  if (loading !== null) return { kind: 'loading', path: loading[1] ?? '' };
  const cpus = /^Enabled cpus:\s*\[([\d,\s]*)\]/i.exec(message)?.[1];
  return cpus === undefined ? undefined : { kind: 'cpus', cpus: (cpus.match(/\d+/g) ?? []).map(Number) };
}

function readProblem(message: string, level: string | undefined): LogFact | undefined {
  const known = LOG_PROBLEMS.find(({ pattern }) => pattern.test(message));
  if (known === undefined) return undefined;
  const contextMax = known.code === 'context_too_long' ? /limit\s*\[(\d+)\]/i.exec(message)?.[1] : undefined;
  return {
    kind: 'problem',
    code: known.code,
    severity: known.severity ?? (level?.toUpperCase() === 'W' ? 'warning' : 'error'),
    permanent: known.permanent,
    message,
    remedy: known.remedy,
    ...(contextMax === undefined ? {} : { contextMax: Number(contextMax) }),
  };
}

const platformOf = (text: string): string => findSoc(text)?.id ?? text.toLowerCase();
