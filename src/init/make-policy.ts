import { dirname } from 'node:path';
import { parsePolicy } from '../policy/parse.ts';
import { type FoundModels, findModelFiles } from './find-model-files.ts';
import { type FactsOptions, readMachineFacts } from './machine-facts.ts';
import { chooseLaunch, type PolicyPlan, planPolicy } from './plan-policy.ts';
import { writePolicy } from './write-policy.ts';

/** What a policy is made from. */
export type MakeOptions = FactsOptions & {
  /** Folder to search for models; undefined = the policy declares none. */
  readonly modelFolder: string | undefined;
  /** Absolute path the policy is to be written to. */
  readonly output: string;
};

/** A policy that fits the machine, and the plan behind it. */
export type MadePolicy = { readonly text: string; readonly plan: PolicyPlan };

/**
 * Looks at the machine and the models and makes a commented policy of them, which has passed the policy's own check.
 * Writes nothing. Throws `model_file_missing` where the folder of models cannot be read.
 */
export async function makePolicy(options: MakeOptions): Promise<MadePolicy> {
  const { modelFolder, output } = options;
  const machine = await readMachineFacts(options);
  const { context } = chooseLaunch(machine);
  const found: FoundModels =
    modelFolder === undefined
      ? { models: [], unused: [] }
      : // What decides the memory of a model besides its file, as the policy will say it.
        await findModelFiles(modelFolder, { context, parallel: 1, ubatch: 64, cacheRamBytes: CACHE_RAM_BYTES });
  const plan = planPolicy(machine, found);
  const text = writePolicy(plan, { folder: dirname(output), modelFolder: modelFolder ?? 'models' });
  parsePolicy(text, output);
  return { text, plan };
}

const CACHE_RAM_BYTES = 256 * 2 ** 20;
