import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readSoc } from '../../runtimes/rkllm/files/soc.ts';
import { readMachine, readMachineState } from '../bench/fingerprint.ts';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import { readPolicyText } from '../policy/load.ts';
import { checkPolicy } from '../policy/parse.ts';
import { problemLine } from '../policy/problems.ts';
import { openStore, type Store } from '../store/open-store.ts';
import { createProfiles } from '../store/profiles.ts';
import { schemaBehind } from '../store/schema-behind.ts';
import { readNpuDriver } from '../transport/npu-driver.ts';
import { lookForLibrary } from './find-library.ts';
import { createFiles, type Host, type MayUse, type PolicyRead, type StoreProblem } from './host.ts';
import { lookAtModels } from './look-at-models.ts';
import { createTools } from './tools.ts';

/** What is examined. */
export type Examination = {
  /** `/`, or a folder with a copy of another machine's files. */
  readonly sysroot: string;
  readonly policyFile: string;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly environment: NodeJS.ProcessEnv;
  readonly mayUse?: MayUse;
};

/** Reads everything the checks judge. Rejects only where the policy exists and cannot be read as a file. */
export async function examineHost({ sysroot, clock, environment, ...asked }: Examination): Promise<Host> {
  const files = createFiles(sysroot, asked.mayUse);
  const policy = await readPolicy(asked.policyFile);
  const valid = policy.kind === 'valid' ? policy.policy : undefined;
  const machine = readMachine(files.sysroot);
  const memoryBytes = valid?.machine.memoryBytes ?? machine.memoryBytes;
  const { store, problem } = openResults(asked.dataDir, files.live, clock);
  const profiles = createProfiles(store, clock);
  try {
    return {
      files,
      machine,
      state: readMachineState(clock.nowMs(), files.sysroot),
      soc: readSoc(files.sysroot),
      driver: readNpuDriver(files.sysroot),
      library: await lookForLibrary(files, valid, environment),
      policy,
      models: await lookAtModels(valid, files, profiles),
      budgetBytes: memoryBytes === undefined ? undefined : memoryBytes - (valid?.machine.reserveBytes ?? 0),
      dataDir: resolve(asked.dataDir),
      storeProblem: problem,
      tools: createTools(files, clock, environment),
    };
  } finally {
    profiles.close();
    store.close();
  }
}

async function readPolicy(file: string): Promise<PolicyRead> {
  if (!existsSync(file)) return { kind: 'absent', file };
  try {
    const found = checkPolicy(await readPolicyText(file), file);
    return found.kind === 'valid'
      ? { kind: 'valid', file, policy: found.policy }
      : { kind: 'invalid', file, problems: found.problems.map((problem) => problemLine(file, problem)) };
  } catch (error) {
    return { kind: 'invalid', file, problems: [messageOf(error)] };
  }
}

/** Figures measured here, where there are any; a look must neither leave a database behind nor bring one up to date. */
function openResults(
  dataDir: string,
  live: boolean,
  clock: Clock,
): { store: Store; problem: StoreProblem | undefined } {
  const file = join(dataDir, 'sluice.db');
  const without = (problem: StoreProblem | undefined) => ({ store: openStore(':memory:', { clock }), problem });
  if (!live || !existsSync(file)) return without(undefined);
  try {
    const behind = schemaBehind(file);
    if (behind !== undefined) return without({ kind: 'older', file, ...behind });
    return { store: openStore(file, { clock }), problem: undefined };
  } catch (error) {
    return without({ kind: 'unreadable', reason: messageOf(error) });
  }
}
