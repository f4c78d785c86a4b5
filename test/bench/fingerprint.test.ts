import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  cpusUsed,
  machineKind,
  readMachine,
  readMachineState,
  readPeakMemory,
  stateWarnings,
} from '../../src/bench/fingerprint.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const board = join(import.meta.dirname, '../fixtures/sysroots/rk3588');
const noon = Date.UTC(2026, 10, 20, 12);

/** The board with an NPU driver and its clocks, as the vendor's kernel shows them. */
function boardWithNpu(): string {
  const sysroot = temporaryFolder();
  cpSync(board, sysroot, { recursive: true });
  const files = {
    'sys/kernel/debug/rknpu/version': 'RKNPU driver: v0.9.8\n',
    'sys/class/devfreq/fdab0000.npu/governor': 'rknpu_ondemand\n',
    'sys/class/devfreq/fdab0000.npu/cur_freq': '1000000000\n',
    'sys/class/devfreq/fdab0000.npu/max_freq': '1000000000\n',
    'sys/class/devfreq/dmc/governor': 'userspace\n',
    'sys/class/devfreq/dmc/cur_freq': '2112000000\n',
    'sys/class/devfreq/fb000000.gpu/governor': 'simple_ondemand\n',
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(sysroot, path)), { recursive: true });
    writeFileSync(join(sysroot, path), text);
  }
  return sysroot;
}

describe('readMachine', () => {
  test('names the NPU driver', () => {
    expect(readMachine(boardWithNpu()).npuDriver).toBe('0.9.8');
  });

  test('a board is known by its device tree and its cores', () => {
    expect(readMachine(board)).toEqual({
      model: 'Radxa ROCK 5B',
      soc: 'rk3588',
      compatible: ['radxa,rock-5b', 'rockchip,rk3588'],
      architecture: process.arch,
      cpuModel: 'Cortex-A55 + Cortex-A76',
      cpus: '0-7',
      kernel: '6.1.75-vendor-rk35xx',
      memoryBytes: 24_390_168 * 1024,
      swapBytes: 0,
    });
  });

  test('this machine has a kernel and memory', () => {
    const machine = readMachine();
    expect(machine.kernel).toMatch(/^\d+\./);
    expect(machine.memoryBytes).toBeGreaterThan(1e8);
  });

  test('what cannot be read is absent, never guessed', () => {
    expect(readMachine(temporaryFolder())).toEqual({ architecture: process.arch });
  });
});

describe('readMachineState', () => {
  test('holds clocks, governors, temperatures and free memory', () => {
    const state = readMachineState(noon, board);
    expect(state.at).toBe('2026-11-20T12:00:00.000Z');
    expect(state.frequencies).toHaveLength(3);
    expect(state.frequencies[2]).toEqual({
      cpus: '6 7',
      governor: 'performance',
      currentKhz: 2_256_000,
      minKhz: 408_000,
      maxKhz: 2_304_000,
    });
    expect(state.temperatures).toContainEqual({ zone: 'npu-thermal', celsius: 44.384 });
    expect(state.memoryAvailableBytes).toBe(23_014_212 * 1024);
  });

  test('holds the clocks of NPU, GPU and memory', () => {
    expect(readMachineState(noon, boardWithNpu()).deviceClocks).toEqual([
      { device: 'dmc', governor: 'userspace', currentKhz: 2_112_000 },
      { device: 'fb000000.gpu', governor: 'simple_ondemand' },
      { device: 'fdab0000.npu', governor: 'rknpu_ondemand', currentKhz: 1_000_000, maxKhz: 1_000_000 },
    ]);
  });

  test('a machine without clocks and zones has none', () => {
    expect(readMachineState(noon, temporaryFolder())).toEqual({
      at: '2026-11-20T12:00:00.000Z',
      frequencies: [],
      temperatures: [],
    });
  });
});

describe('readPeakMemory', () => {
  test('is VmHWM in bytes, and absent for a process that has ended', () => {
    expect(readPeakMemory(4242, board)).toBe(5_511_372 * 1024);
    expect(readPeakMemory(4243, board)).toBeUndefined();
    expect(readPeakMemory(process.pid)).toBeGreaterThan(1e6);
  });
});

describe('stateWarnings', () => {
  const state = readMachineState(noon, board);
  const withFirst = (change: object) => ({
    ...state,
    frequencies: state.frequencies.map((one, index) => (index === 0 ? { ...one, ...change } : one)),
  });

  test('a steady machine gives none', () => {
    expect(stateWarnings(state, state)).toEqual([]);
  });

  test('a lowered bound is throttling; a governor other than performance is named', () => {
    expect(stateWarnings(state, withFirst({ maxKhz: 1_200_000 }))).toEqual([
      'CPUs 0 1 2 3: throttled from 1800 to 1200 MHz while measuring',
    ]);
    expect(stateWarnings(withFirst({ governor: 'ondemand' }), state)[0]).toContain('ondemand governor');
  });
});

describe('stateWarnings of a board with an NPU', () => {
  test('a moving NPU clock concerns models on the NPU only, a fixed memory clock nobody', () => {
    const state = readMachineState(noon, boardWithNpu());
    expect(stateWarnings(state, state)).toEqual([]);
    expect(stateWarnings(state, state, { usesNpu: true })).toEqual([
      expect.stringContaining('fdab0000.npu: the rknpu_ondemand governor moves the clock'),
    ]);
    const hot = state.deviceClocks?.map((one) => ({ ...one, maxKhz: 600_000 })) ?? [];
    expect(stateWarnings(state, { ...state, deviceClocks: hot }, { usesNpu: true })).toContain(
      'fdab0000.npu: throttled from 1000 to 600 MHz while measuring',
    );
  });
});

describe('machineKind', () => {
  test('is the SoC, or else the architecture, fit for a file name', () => {
    expect(machineKind(readMachine(board))).toBe('rk3588');
    expect(machineKind({ architecture: 'x64' })).toBe('x64');
    expect(machineKind({ architecture: 'arm64', soc: 'A/B c' })).toBe('a-b-c');
  });
});

describe('cpusUsed', () => {
  test('are those of the list that exist', () => {
    expect(cpusUsed([0, 1, 2, 3], { architecture: 'x64', cpus: '0-1' })).toBe('0-1');
    expect(cpusUsed(undefined, { architecture: 'x64', cpus: '0-1' })).toBe('0-1');
    expect(cpusUsed([4], { architecture: 'x64' })).toBeUndefined();
  });
});
