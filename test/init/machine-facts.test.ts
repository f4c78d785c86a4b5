import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readMachineFacts } from '../../src/init/machine-facts.ts';
import { RK3588_FILES, writeSysroot, X86_FILES } from './sysroots.ts';

const look = (files: Readonly<Record<string, string>>) =>
  readMachineFacts({ sysroot: writeSysroot(files), environment: {} });

describe('readMachineFacts', () => {
  it('finds the clusters of an RK3588, the big cores first, its NPU, driver and library', async () => {
    expect(await look(RK3588_FILES)).toEqual({
      title: 'Radxa ROCK 5B',
      clusters: [
        { cpus: [4, 5, 6, 7], maxKhz: 2_304_000 },
        { cpus: [0, 1, 2, 3], maxKhz: 1_800_000 },
      ],
      cores: 8,
      memoryBytes: 24_390_168 * 1024,
      npu: {
        soc: expect.objectContaining({ id: 'rk3588', npuCores: 3 }),
        driver: { kind: 'on', version: '0.9.8', advice: undefined },
        library: '/usr/lib/librkllmrt.so',
        libraryVersion: '1.2.3',
      },
      llamaServer: undefined,
      llamaBench: undefined,
    });
  });

  it.each([
    ['rk3588-kernel-6.1', [4, 5, 6, 7], [0, 1, 2, 3]],
    // Its little cores run at nearly the clock of the big ones.
    ['rk3576-8gb', [4, 5, 6, 7], [0, 1, 2, 3]],
  ])('tells the big cores of %s from the little ones', async (name, big, little) => {
    const sysroot = join(import.meta.dirname, '../fixtures/sysroots', name);
    const { clusters } = await readMachineFacts({ sysroot, environment: {} });
    expect(clusters.map(({ cpus }) => cpus)).toEqual([big, little]);
  });

  it('counts cores and not hardware threads on x86', async () => {
    const facts = await look(X86_FILES);
    expect(facts).toMatchObject({ title: 'Example Z-100', cores: 4, npu: undefined });
    expect(facts.clusters).toEqual([{ cpus: [0, 1, 2, 3, 4, 5, 6, 7], maxKhz: undefined }]);
  });

  it('never claims more cores than the process may use', async () => {
    const facts = await readMachineFacts({ sysroot: writeSysroot(X86_FILES), environment: {}, allowedCpus: 2 });
    expect(facts.cores).toBe(2);
  });

  it('comes to an end on a machine that tells nothing', async () => {
    expect(await look({})).toMatchObject({ title: 'unknown machine', cores: 1, memoryBytes: undefined });
  });

  it('looks at this machine', async () => {
    const facts = await readMachineFacts({ sysroot: '/', environment: process.env });
    expect(facts.memoryBytes).toBeGreaterThan(100e6);
    expect(facts.cores).toBeGreaterThan(0);
  });
});
