import { open, readFile } from 'node:fs/promises';
import { z } from 'zod';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { ServiceModel } from '../core/service-model.ts';

/**
 * A stand-in is a small text file in the place of a model's: how long the model would take on a board, and what is known
 * of its file. The runtime kind `simulated` serves it. Its name is the model's own, so that published figures, friendly
 * names and sizes are found by it as for the real file.
 */
export type StandIn = {
  /** Board whose times these are: `rk3588`. */
  readonly board: string;
  readonly parametersBillion: number | undefined;
  readonly quantization: string | undefined;
  readonly weightsBytes: number;
  /** Memory a load takes until something better is known, bytes. */
  readonly memoryBytes: number;
  /** Longest context, tokens. */
  readonly contextTokens: number;
  readonly service: ServiceModel;
  /** Standard deviation of the logarithm of each prefill and decode. */
  readonly noiseSigma: number;
  readonly seed: number;
  /** From `afterMs` after a start on, everything takes `factor` times as long. */
  readonly drift: { readonly afterMs: number; readonly factor: number } | undefined;
  readonly thinking: boolean;
};

/** First words of every stand-in, for people who open one. */
const NOTE = 'SIMULATED: no model. Times of a board, written by Sluice; see runtimes/simulated/README.md.';

const durationMs = z.number().min(0);
const schema = z.strictObject({
  note: z.string(),
  stand_in: z.literal(1),
  board: z.string().regex(/^[\w.-]+$/),
  parameters_billion: z.number().positive().optional(),
  quantization: z.string().optional(),
  weights_bytes: z.number().positive(),
  memory_bytes: z.number().positive(),
  context_tokens: z.int().min(16),
  service: z.strictObject({
    prefill_fixed_ms: durationMs,
    prefill_ms_per_token: durationMs,
    prefill_context_ms: durationMs,
    decode_ms_per_token: durationMs,
    decode_context_ms: durationMs,
    load_ms: durationMs,
    load_cold_ms: durationMs.optional(),
    unload_ms: durationMs,
  }),
  noise_sigma: z.number().min(0).max(2),
  seed: z.int(),
  drift: z.strictObject({ after_ms: durationMs, factor: z.number().positive() }).optional(),
  thinking: z.boolean(),
});

/** A stand-in as the text of its file. */
export function writeStandIn(standIn: StandIn): string {
  const { service, drift } = standIn;
  const text: z.input<typeof schema> = {
    note: NOTE,
    stand_in: 1,
    board: standIn.board,
    parameters_billion: standIn.parametersBillion,
    quantization: standIn.quantization,
    weights_bytes: standIn.weightsBytes,
    memory_bytes: standIn.memoryBytes,
    context_tokens: standIn.contextTokens,
    service: {
      prefill_fixed_ms: service.prefillFixedMs,
      prefill_ms_per_token: service.prefillMsPerToken,
      prefill_context_ms: service.prefillContextMs,
      decode_ms_per_token: service.decodeMsPerToken,
      decode_context_ms: service.decodeContextMs,
      load_ms: service.loadMs,
      load_cold_ms: service.loadColdMs,
      unload_ms: service.unloadMs,
    },
    noise_sigma: standIn.noiseSigma,
    seed: standIn.seed,
    drift: drift === undefined ? undefined : { after_ms: drift.afterMs, factor: drift.factor },
    thinking: standIn.thinking,
  };
  return `${JSON.stringify(text, undefined, 2)}\n`;
}

/** A real model has gigabytes; nobody's stand-in has more. */
const STAND_IN_BYTES_MAX = 65_536;

/**
 * Reads a stand-in. Rejects with `model_file_missing` where there is no such file, with `invalid_config` where it is
 * something else, a real model for example.
 */
export async function readStandIn(path: string): Promise<StandIn> {
  const text = await readSmall(path);
  let parsed: z.output<typeof schema>;
  try {
    parsed = schema.parse(JSON.parse(text));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause).replaceAll(/\s+/g, ' ') : messageOf(cause);
    throw new GatewayError('invalid_config', `${path} is no stand-in of a simulated model: ${why}`, { cause });
  }
  const { service, drift } = parsed;
  return {
    board: parsed.board,
    parametersBillion: parsed.parameters_billion,
    quantization: parsed.quantization,
    weightsBytes: parsed.weights_bytes,
    memoryBytes: parsed.memory_bytes,
    contextTokens: parsed.context_tokens,
    service: {
      prefillFixedMs: service.prefill_fixed_ms,
      prefillMsPerToken: service.prefill_ms_per_token,
      prefillContextMs: service.prefill_context_ms,
      decodeMsPerToken: service.decode_ms_per_token,
      decodeContextMs: service.decode_context_ms,
      loadMs: service.load_ms,
      loadColdMs: service.load_cold_ms,
      unloadMs: service.unload_ms,
    },
    noiseSigma: parsed.noise_sigma,
    seed: parsed.seed,
    drift: drift === undefined ? undefined : { afterMs: drift.after_ms, factor: drift.factor },
    thinking: parsed.thinking,
  };
}

async function readSmall(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      if (size > STAND_IN_BYTES_MAX) {
        const message = `${path} is no stand-in of a simulated model: it has ${size} bytes; a real model is served by llama-server or rkllm`;
        throw new GatewayError('invalid_config', message);
      }
      bytes = await readFile(file);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError('model_file_missing', `${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  return bytes.toString('utf8');
}
