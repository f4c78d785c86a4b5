import { checkChip } from './checks/chip.ts';
import { checkClocks } from './checks/clocks.ts';
import { checkHeat } from './checks/heat.ts';
import { checkMemory } from './checks/memory.ts';
import { checkModels } from './checks/models.ts';
import { checkNpu } from './checks/npu.ts';
import { checkPolicyFile } from './checks/policy.ts';
import { checkPrograms } from './checks/programs.ts';
import { checkStorage } from './checks/storage.ts';
import { checkSystem } from './checks/system.ts';
import type { Finding } from './finding.ts';
import type { Host } from './host.ts';

/** One group of things that are looked at. */
export type Check = (host: Host) => readonly Finding[] | Promise<readonly Finding[]>;

/** All groups by name, in the order of the report. */
export const CHECKS: Readonly<Record<string, Check>> = {
  policy: checkPolicyFile,
  chip: checkChip,
  npu: checkNpu,
  clocks: checkClocks,
  heat: checkHeat,
  memory: checkMemory,
  storage: checkStorage,
  programs: checkPrograms,
  system: checkSystem,
  models: checkModels,
};

/** What all checks find. */
export async function runChecks(host: Host): Promise<readonly Finding[]> {
  const found = await Promise.all(Object.values(CHECKS).map((check) => check(host)));
  return found.flat();
}
