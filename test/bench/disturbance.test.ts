import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { watched } from '../../src/bench/disturbance.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const board = join(import.meta.dirname, '../fixtures/sysroots/rk3588');

function setUp() {
  const sysroot = temporaryFolder();
  cpSync(board, sysroot, { recursive: true });
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(sysroot, path)), { recursive: true });
    writeFileSync(join(sysroot, path), text);
  };
  const cpu = (ticks: number) => write('proc/stat', `cpu  ${ticks} 0 0 90000 500 0 0 0 0 0\ncpu0 1 0 0 0\n`);
  const child = (ticks: number) => write('proc/42/stat', `42 (a (b) c) S ${'0 '.repeat(10)}${ticks} 0 0 0 20 0\n`);
  const self = (ticks: number, ended = 0) =>
    write('proc/self/stat', `1 (node) S ${'0 '.repeat(10)}${ticks} 0 ${ended} 0 20 0\n`);
  const clock = fakeClock();
  cpu(1_000);
  child(100);
  self(10);
  const work = { clock, sysroot, usesNpu: false, pids: () => [42] };
  return { clock, write, cpu, child, self, work, policy: 'sys/devices/system/cpu/cpufreq/policy6' };
}

describe('watched', () => {
  test('work of the measured child and of ourselves is no disturbance', async () => {
    const { work, clock, cpu, child, self } = setUp();
    const { value, flags } = await watched(work, async () => {
      clock.advance(2_000);
      cpu(1_000 + 800 + 20);
      child(100 + 800);
      self(10 + 20);
      return 'done';
    });
    expect({ value, flags }).toEqual({ value: 'done', flags: [] });
  });

  test('foreign work above a quarter of a core flags the sample with its size', async () => {
    const { work, clock, cpu, child } = setUp();
    const { flags } = await watched(work, async () => {
      clock.advance(2_000);
      cpu(1_000 + 800 + 300);
      child(100 + 800);
    });
    expect(flags).toEqual(['other programs used 1.5 cores']);
  });

  test('a child that has ended counts as ours where the work is done by such', async () => {
    const { work, clock, cpu, self } = setUp();
    const { flags } = await watched({ ...work, byEndedChildren: true }, async () => {
      clock.advance(2_000);
      cpu(1_000 + 800);
      self(10, 800);
    });
    expect(flags).toEqual([]);
  });

  test('a sample too short to count ticks is not judged by them', async () => {
    const { work, clock, cpu } = setUp();
    const { flags } = await watched(work, async () => {
      clock.advance(100);
      cpu(1_020);
    });
    expect(flags).toEqual([]);
  });

  test('a clock that falls in the middle of a sample flags it, even where it has come back at the end', async () => {
    const { work, clock, write, policy } = setUp();
    const { flags } = await watched(work, async () => {
      write(`${policy}/scaling_cur_freq`, '1608000\n');
      clock.advance(600);
      write(`${policy}/scaling_cur_freq`, '2256000\n');
      clock.advance(100);
    });
    expect(flags).toEqual(['CPUs 6 7 changed its clock between 1608 and 2256 MHz']);
  });

  test('a governor that follows the load may start low', async () => {
    const { work, clock, write, policy } = setUp();
    write(`${policy}/scaling_governor`, 'ondemand\n');
    write(`${policy}/scaling_cur_freq`, '408000\n');
    const { flags } = await watched(work, async () => {
      write(`${policy}/scaling_cur_freq`, '2256000\n');
      clock.advance(1_200);
    });
    expect(flags).toEqual([]);
  });

  test('the timer is gone when the work throws', async () => {
    const { work, clock } = setUp();
    await expect(watched(work, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(clock.timers()).toBe(0);
  });
});
