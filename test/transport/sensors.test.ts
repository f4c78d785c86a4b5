import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { npuLoad, openFiles, slowDowns } from '../../src/transport/sensors.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

function sysroot(files: Readonly<Record<string, string>>): string {
  const root = temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

describe('npuLoad', () => {
  it.each([
    ['three cores', 'NPU load:  Core0: 12%, Core1:  0%, Core2: 100%,\n', [0.12, 0, 1]],
    ['one core', 'NPU load:  3%\n', [0.03]],
    ['words that are not known', 'idle\n', []],
  ])('reads %s', (_, text, shares) => {
    const root = sysroot({ 'sys/kernel/debug/rknpu/load': text });
    expect(npuLoad(root).map(({ share }) => share)).toEqual(shares);
  });

  it('is empty without an NPU', () => {
    expect(npuLoad(sysroot({}))).toEqual([]);
  });
});

describe('slowDowns', () => {
  it('reads a board that is too hot, and one of several devices of a name: the slowest', () => {
    const hot = join(import.meta.dirname, '../fixtures/sysroots/rk3588-throttling');
    const shares = new Map(slowDowns(hot).map(({ name, share }) => [name, share]));
    expect(shares.get('thermal-cpufreq-0')).toBe(0);
    expect(shares.get('thermal-cpufreq-1')).toBeCloseTo(4 / 9);
    expect(shares.get('thermal-devfreq-0')).toBeCloseTo(0.4);
    expect(shares.has('pwm-fan')).toBe(false);
    const cores = [0, 2, 1].map((now, core) => [
      [`sys/class/thermal/cooling_device${core}/type`, 'Processor'],
      [`sys/class/thermal/cooling_device${core}/cur_state`, String(now)],
      [`sys/class/thermal/cooling_device${core}/max_state`, '10'],
    ]);
    expect(slowDowns(sysroot(Object.fromEntries(cores.flat())))).toEqual([{ name: 'Processor', share: 0.2 }]);
  });

  it('tells how far parts are slowed down, and passes over fans', () => {
    const root = sysroot({
      'sys/class/thermal/cooling_device0/type': 'thermal-cpufreq-0\n',
      'sys/class/thermal/cooling_device0/cur_state': '2\n',
      'sys/class/thermal/cooling_device0/max_state': '8\n',
      'sys/class/thermal/cooling_device1/type': 'pwm-fan\n',
      'sys/class/thermal/cooling_device1/cur_state': '3\n',
      'sys/class/thermal/cooling_device1/max_state': '4\n',
    });
    expect(slowDowns(root)).toEqual([{ name: 'thermal-cpufreq-0', share: 0.25 }]);
    expect(slowDowns(sysroot({}))).toEqual([]);
  });
});

describe('openFiles', () => {
  it('counts those of this process', () => {
    expect(openFiles()).toBeGreaterThan(3);
  });
});
