import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyFix, fixCommand, planFixes } from '../../src/doctor/fixes.ts';
import { runChecks } from '../../src/doctor/run-checks.ts';
import { copyBoard } from '../helpers/board-copy.ts';
import { examineBoard } from './boards.ts';

const OLD = 'youyeetoo-r1-kernel-5.10';
const POLICY = { policy: 'userdata/sluice/routing-policy.yaml' };

describe('planFixes', () => {
  it('sets moving governors of CPU, NPU and memory, and nothing else', async () => {
    const host = await examineBoard(await copyBoard(OLD), POLICY);
    expect(planFixes(host).map(fixCommand)).toEqual([
      'echo performance > /sys/devices/system/cpu/cpufreq/policy0/scaling_governor   # now ondemand',
      'echo performance > /sys/devices/system/cpu/cpufreq/policy4/scaling_governor   # now ondemand',
      'echo performance > /sys/devices/system/cpu/cpufreq/policy6/scaling_governor   # now ondemand',
      'echo performance > /sys/class/devfreq/fdab0000.npu/governor   # now rknpu_ondemand',
      'echo performance > /sys/class/devfreq/dmc/governor   # now dmc_ondemand',
    ]);
  });

  it('has nothing to do where clocks are steady', async () => {
    const policy = { policy: 'srv/sluice/routing-policy.yaml' };
    expect(planFixes(await examineBoard(await copyBoard('rk3588-kernel-6.1'), policy))).toEqual([]);
  });
});

describe('applyFix', () => {
  it('does what it said, after which the finding is gone', async () => {
    const sysroot = await copyBoard(OLD);
    const fixes = planFixes(await examineBoard(sysroot, POLICY));
    for (const fix of fixes) expect(applyFix(fix, sysroot).problem).toBeUndefined();
    expect(readFileSync(join(sysroot, 'sys/class/devfreq/dmc/governor'), 'utf8')).toBe('performance');
    const after = await examineBoard(sysroot, POLICY);
    expect(planFixes(after)).toEqual([]);
    expect((await runChecks(after)).find(({ id }) => id === 'ddr-clock')?.why).not.toContain('governor');
  });

  it('says what kept it from it', () => {
    const fix = { id: 'cpu-clock', kind: 'write', path: '/none/here', value: 'performance', before: '' } as const;
    expect(applyFix(fix, '/nowhere').problem).toContain('ENOENT');
  });
});
