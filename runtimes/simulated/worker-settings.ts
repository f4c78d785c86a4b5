import type { ServiceModel } from '../../src/core/service-model.ts';

/** What a worker is told on its command line, as JSON behind `--settings`. Durations are the board's, in ms. */
export type WorkerSettings = {
  /** Id of the model, as replies name it. */
  readonly model: string;
  /** Whom it stands for, for its answers: `rk3588`. */
  readonly board: string;
  /** How many times as fast as on the board everything goes. */
  readonly speed: number;
  readonly service: ServiceModel;
  /** Standard deviation of the logarithm of each duration. */
  readonly noiseSigma: number;
  readonly seed: number;
  /** From `afterMs` on, counted from the start of the process, everything takes `factor` times as long. */
  readonly drift: { readonly afterMs: number; readonly factor: number } | undefined;
  /** Context of all slots together, tokens. */
  readonly contextTokens: number;
  readonly slots: number;
  /** Prompt tokens read between two looks whether the client is still there. */
  readonly cancelTokens: number;
  readonly thinking: boolean;
};

/** Name of the flag before the JSON. */
export const SETTINGS_FLAG = '--settings';
/** Name of the flag before the port. */
export const PORT_FLAG = '--port';
/** Variable of the environment with the key that requests must show; the same as llama-server's. */
export const KEY_VARIABLE = 'LLAMA_API_KEY';

/** Port and settings of a worker's command line. Throws where they are not there: only the adapter starts workers. */
export function readCommandLine(args: readonly string[]): { readonly port: number; readonly settings: WorkerSettings } {
  const port = Number(args[args.indexOf(PORT_FLAG) + 1]);
  const json = args[args.indexOf(SETTINGS_FLAG) + 1];
  if (!Number.isInteger(port) || json === undefined) throw new Error(`usage: ${PORT_FLAG} N ${SETTINGS_FLAG} JSON`);
  return { port, settings: JSON.parse(json) as WorkerSettings };
}
