import { writeFileSync } from 'node:fs';
import { type StandIn, writeStandIn } from '../../src/boards/stand-in.ts';
import type { ServiceModel } from '../../src/core/service-model.ts';

/** A quick model without noise: 0.5 ms per prompt token, 3 ms per output token, 50 ms to load. */
export const QUICK_SERVICE: ServiceModel = {
  prefillFixedMs: 2,
  prefillMsPerToken: 0.5,
  prefillContextMs: 0,
  decodeMsPerToken: 3,
  decodeContextMs: 0,
  loadMs: 50,
  loadColdMs: undefined,
  unloadMs: 10,
};

/** A stand-in of a 4B model with {@link QUICK_SERVICE} and a context of 2,048 tokens. */
export const boardStandIn = (given: Partial<StandIn> = {}): StandIn => ({
  board: 'test-board',
  parametersBillion: 4,
  quantization: 'Q4_K_M',
  weightsBytes: 2_400_000_000,
  memoryBytes: 3_000_000_000,
  contextTokens: 2048,
  service: QUICK_SERVICE,
  noiseSigma: 0,
  seed: 1,
  drift: undefined,
  thinking: false,
  ...given,
});

/** Writes {@link boardStandIn} and returns its path. */
export function writeBoardStandIn(path: string, given: Partial<StandIn> = {}): string {
  writeFileSync(path, writeStandIn(boardStandIn(given)));
  return path;
}
