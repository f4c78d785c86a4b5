import { isModelClass, MODEL_CLASSES, type ModelClass } from '../../core/classes.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Policy } from '../../core/policy.ts';
import type { TimedRequest } from '../samples.ts';

/** What a search makes small, and the request it is looked at with. */
export type Objective = {
  readonly kind: 'ttft' | 'decode' | 'e2e';
  /** As it was asked for, e.g. `ttft:512`. */
  readonly text: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
};

/** Prompt of the reference board's tuning sweep; also that of a class's standard request, as no policy names one. */
const PROMPT_TOKENS = 256;
/** Prompt a first token is waited for where none is given: a page of text. */
const TTFT_PROMPT_TOKENS = 512;
/** Enough gaps for a decode rate beside the first token. */
const TTFT_OUTPUT_TOKENS = 8;
const DECODE_OUTPUT_TOKENS = 32;

/**
 * Reads `ttft`, `ttft:512` (prompt tokens), `decode`, `decode:1024` (prompt tokens it decodes behind), `e2e:interactive`
 * (a class: 256 prompt tokens and the output length the policy expects of it) or `e2e:256/16` (prompt/output tokens).
 * `e2e` alone is that of the class interactive. Throws `usage` for anything else.
 */
export function parseObjective(text: string, classes: Policy['classes']): Objective {
  const [kind, argument, ...rest] = text.split(':');
  if (rest.length === 0) {
    if (kind === 'ttft')
      return { kind, text, promptTokens: tokens(text, argument, TTFT_PROMPT_TOKENS), outputTokens: TTFT_OUTPUT_TOKENS };
    if (kind === 'decode')
      return { kind, text, promptTokens: tokens(text, argument, PROMPT_TOKENS), outputTokens: DECODE_OUTPUT_TOKENS };
    if (kind === 'e2e') return { kind, text, ...standardRequest(text, argument ?? 'interactive', classes) };
  }
  throw unknown(text);
}

function standardRequest(
  text: string,
  argument: string,
  classes: Policy['classes'],
): Pick<Objective, 'promptTokens' | 'outputTokens'> {
  if (isModelClass(argument)) return { promptTokens: PROMPT_TOKENS, outputTokens: classes[argument].outputTokens };
  const [prompt, output, ...rest] = argument.split('/');
  if (output === undefined || rest.length > 0) throw unknown(text);
  return { promptTokens: tokens(text, prompt, PROMPT_TOKENS), outputTokens: tokens(text, output, PROMPT_TOKENS) };
}

function tokens(text: string, given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise;
  const count = Number(given);
  if (/^\d+$/.test(given) && count >= 2 && count <= 1_000_000) return count;
  throw unknown(text);
}

function unknown(text: string): GatewayError {
  const classes = MODEL_CLASSES.map((name: ModelClass) => `e2e:${name}`).join(', ');
  return new GatewayError(
    'usage',
    `--objective ${text} is not understood: give ttft, ttft:PROMPT, decode, decode:PROMPT, ${classes} or e2e:PROMPT/OUTPUT (tokens, at least 2)`,
  );
}

/** What one request showed. */
export type TrialTimes = {
  readonly ttftMs: number;
  /** Tokens per second. */
  readonly promptTps: number;
  readonly decodeTps: number | undefined;
  readonly wallMs: number;
  /** The objective, ms. */
  readonly costMs: number;
};

/**
 * The figures of a timed request and what it costs by the objective: TTFT, time per output token, or E2E. An answer that
 * ended early (an NPU's end token cannot be ignored) counts as if it had gone on at its pace. Undefined where the request
 * does not tell, e.g. because no token came.
 */
export function timesOf(objective: Objective, timed: TimedRequest): TrialTimes | undefined {
  const { firstMs, lastMs, endMs, promptTokens, outputTokens, prefillMs, decodeMs } = timed;
  if (firstMs === undefined) return undefined;
  const seenMs = lastMs !== undefined && lastMs > firstMs ? lastMs - firstMs : undefined;
  // Of a model so fast that all tokens come in one piece, only the runtime knows how long they took.
  const spanMs = seenMs ?? (decodeMs !== undefined && decodeMs > 0 ? decodeMs : undefined);
  const decodeTps = spanMs === undefined || outputTokens < 2 ? undefined : ((outputTokens - 1) * 1000) / spanMs;
  const missing = objective.outputTokens - outputTokens;
  const wallMs = missing > 0 && decodeTps !== undefined ? endMs + (missing * 1000) / decodeTps : endMs;
  const readMs = prefillMs !== undefined && prefillMs > 0 ? prefillMs : firstMs;
  const costMs = cost(objective, { firstMs, wallMs, decodeTps });
  if (costMs === undefined) return undefined;
  return { ttftMs: firstMs, promptTps: (promptTokens * 1000) / readMs, decodeTps, wallMs, costMs };
}

type Seen = { readonly firstMs: number; readonly wallMs: number; readonly decodeTps: number | undefined };

function cost({ kind }: Objective, { firstMs, wallMs, decodeTps }: Seen): number | undefined {
  switch (kind) {
    case 'ttft':
      return firstMs;
    case 'decode':
      return decodeTps === undefined ? undefined : 1000 / decodeTps;
    case 'e2e':
      return wallMs;
  }
}

/** What the objective's figure is, for people: `TTFT of 512 prompt tokens`. */
export function describeObjective({ kind, promptTokens, outputTokens }: Objective): string {
  switch (kind) {
    case 'ttft':
      return `TTFT of ${promptTokens} prompt tokens`;
    case 'decode':
      return `time per output token behind ${promptTokens} prompt tokens`;
    case 'e2e':
      return `E2E of ${promptTokens} prompt and ${outputTokens} output tokens`;
  }
}
