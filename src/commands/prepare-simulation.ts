import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Board, findBoard } from '../boards/boards.ts';
import { simulatePolicy, standInPath } from '../boards/simulate-policy.ts';
import { type StandIn, writeStandIn } from '../boards/stand-in.ts';
import type { Policy } from '../core/policy.ts';
import { loadPolicy } from '../policy/load.ts';
import { createWorld, type SimulatedModel } from '../simulate/world.ts';
import { contextFromName } from '../store/reference.ts';

/** What a simulation is made from. */
export type SimulationOptions = {
  /** Name of a board, see `boards/boards.ts`. */
  readonly board: string;
  /** The policy to serve as if on that board. */
  readonly policyFile: string;
  /** Where its stand-ins and the policy that names them are written. */
  readonly folder: string;
  /** Of the noise; models differ by their place in the policy. */
  readonly seed: number;
};

/** Spread of service times that repeated runs on one board show, as in `sluice simulate`. */
const NOISE_SIGMA = 0.08;
/** Contexts that models were made for, where the file's name says none: CPU models take far more than they are given. */
const CONTEXT_TOKENS_CPU = 32_768;
const CONTEXT_TOKENS_NPU = 4_096;

/**
 * Writes what a simulated board is served from: a stand-in per model, with the times of `sluice simulate`, and the
 * policy with every runtime simulated. Returns the board and that policy's file. Throws `usage` for a board that is not
 * known and `invalid_config` for a policy that is broken.
 */
export async function prepareSimulation(
  options: SimulationOptions,
): Promise<{ readonly board: Board; readonly policyFile: string }> {
  const board = findBoard(options.board);
  const policy = await loadPolicy(options.policyFile);
  const text = await readFile(policy.file, 'utf8');
  const world = createWorld(policy);
  let index = 0;
  for (const model of world.models.values()) {
    const path = standInPath(options.folder, model.policy.id, model.policy.file);
    await mkdir(dirname(path), { recursive: true });
    const seed = options.seed * SEEDS_PER_BOARD + index;
    await writeFile(path, writeStandIn(standInOf(model, { policy, board, seed })));
    index += 1;
  }
  const policyFile = join(options.folder, 'policy.yaml');
  await mkdir(options.folder, { recursive: true });
  await writeFile(policyFile, simulatePolicy(text, board, options.folder));
  return { board, policyFile };
}

/** Distance between the seeds of two boards, more than a policy has models. */
const SEEDS_PER_BOARD = 1_000;

function standInOf(
  { policy: model, service, facts, memoryBytes }: SimulatedModel,
  { policy, board, seed }: { readonly policy: Policy; readonly board: Board; readonly seed: number },
): StandIn {
  const isNpu = policy.runtimes.get(model.runtime)?.kind === 'rkllm';
  return {
    board: board.id,
    parametersBillion: facts.parametersBillion,
    quantization: /(?:^|[-_.])(i?q\d\w*|w\d+a\d+|b?f16)(?=[-_.]|$)/i.exec(model.file)?.[1],
    weightsBytes: Math.round(facts.weightsBytes),
    memoryBytes: Math.round(memoryBytes),
    contextTokens: contextFromName(model.file) ?? (isNpu ? CONTEXT_TOKENS_NPU : CONTEXT_TOKENS_CPU),
    service,
    noiseSigma: NOISE_SIGMA,
    seed,
    drift: undefined,
    thinking: model.capabilities.thinking ?? false,
  };
}
