import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readMachine, readMachineState } from '../../src/bench/fingerprint.ts';
import {
  type FingerprintParts,
  factDifferences,
  fingerprintOf,
  machineFacts,
  storageOf,
} from '../../src/bench/row-fingerprint.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const board = join(import.meta.dirname, '../fixtures/sysroots/rk3588');
const cpuOnly = { npu: false, gpu: false };

/** The board with some of its files changed. */
function changedBoard(files: Readonly<Record<string, string>>): string {
  const sysroot = temporaryFolder();
  cpSync(board, sysroot, { recursive: true });
  for (const [path, text] of Object.entries(files)) writeFileSync(join(sysroot, path), text);
  return sysroot;
}

const factsAt = (sysroot: string) => machineFacts(readMachine(sysroot), readMachineState(0, sysroot), cpuOnly);

const parts = (given: Partial<FingerprintParts> = {}): FingerprintParts => ({
  machine: readMachine(board),
  state: readMachineState(0, board),
  ...{ cpusUsed: '4-7', runtimeVersion: '0.7.0 (build 11669)', rawVersion: undefined, modelKey: 'abc-def' },
  ...{ settings: { threads: 6, context: 2048 }, file: { name: 'm.gguf', sizeBytes: 7, sha256: 'ff' } },
  ...{
    quantization: 'Q4_K_M',
    storage: 'mmcblk0p1, ext4',
    storageBytesPerSec: 40e6,
    sluiceVersion: '1',
    uses: cpuOnly,
  },
  ...given,
});

describe('fingerprintOf', () => {
  test('the same state has the same id, in whatever order its settings stand', () => {
    const settings = { context: 2048, threads: 6 };
    expect(fingerprintOf(parts({ settings })).id).toBe(fingerprintOf(parts()).id);
  });

  test.each<[string, Partial<FingerprintParts>]>([
    ['runtime build', { runtimeVersion: '0.7.0 (build 11700)' }],
    ['CPUs used', { cpusUsed: '0-3' }],
    ['settings', { settings: { threads: 4, context: 2048 } }],
    ['storage', { storage: 'nvme0n1p2, ext4' }],
    ['file', { modelKey: 'abd-def' }],
  ])('another %s is another state', (_, given) => {
    expect(fingerprintOf(parts(given)).id).not.toBe(fingerprintOf(parts()).id);
  });

  test('what changes no speed stands beside and changes no id', () => {
    const { id, notes } = fingerprintOf(parts({ sluiceVersion: '2', storageBytesPerSec: 41e6 }));
    expect(id).toBe(fingerprintOf(parts()).id);
    expect(notes).toMatchObject({ sluice: '2', 'storage read, MB/s': '41', quantization: 'Q4_K_M' });
  });
});

describe('machineFacts', () => {
  test('a new kernel, another governor and a lower clock limit each differ, with both values', () => {
    const policy = 'sys/devices/system/cpu/cpufreq/policy6';
    const now = changedBoard({
      'proc/sys/kernel/osrelease': '6.1.99-vendor-rk35xx\n',
      [`${policy}/scaling_governor`]: 'ondemand\n',
      [`${policy}/scaling_max_freq`]: '1608000\n',
    });
    expect(factDifferences(factsAt(board), factsAt(now))).toEqual([
      'kernel: 6.1.75-vendor-rk35xx then, 6.1.99-vendor-rk35xx now',
      'governor of cpus 6 7: performance then, ondemand now',
      'clock limit of cpus 6 7, MHz: 2304 then, 1608 now',
    ]);
  });

  test('a clock limit within 3 % is the same one', () => {
    const now = changedBoard({ 'sys/devices/system/cpu/cpufreq/policy6/scaling_max_freq': '2256000\n' });
    expect(factDifferences(factsAt(board), factsAt(now))).toEqual([]);
  });

  test('what one of the two does not know is no difference', () => {
    expect(factDifferences({ kernel: '6.1', 'npu driver': '0.9.8' }, { kernel: '6.1' })).toEqual([]);
  });
});

describe('storageOf', () => {
  test('names device and file system of the file on this machine', async () => {
    expect(await storageOf(import.meta.filename)).toMatch(/\S+, \S+/);
  });

  test('is unknown for a file that is not there', async () => {
    expect(await storageOf('/nowhere/model.gguf')).toBeUndefined();
  });
});
