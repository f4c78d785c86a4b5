import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readNpuDriver } from '../../src/transport/npu-driver.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

function sysroot(files: Readonly<Record<string, string>>): string {
  const root = temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const DEBUG = 'sys/kernel/debug/rknpu/version';

describe('readNpuDriver', () => {
  it.each([
    [{ [DEBUG]: 'RKNPU driver: v0.9.8\n' }, { kind: 'rknpu', version: '0.9.8', source: `/${DEBUG}` }],
    [
      { 'sys/module/rknpu/version': '0.9.7\n' },
      { kind: 'rknpu', version: '0.9.7', source: '/sys/module/rknpu/version' },
    ],
    [
      { 'proc/rknpu/version': 'RKNPU driver: v0.8.2' },
      { kind: 'rknpu', version: '0.8.2', source: '/proc/rknpu/version' },
    ],
    [{ 'sys/module/rknpu/uevent': '' }, { kind: 'rknpu', version: undefined, source: '/sys/module/rknpu' }],
    [{ 'sys/module/rocket/uevent': '' }, { kind: 'mainline', source: '/sys/module/rocket' }],
    [{ 'dev/accel/accel0': '' }, { kind: 'mainline', source: '/dev/accel/accel0' }],
    [{ 'proc/cpuinfo': '' }, { kind: 'none' }],
  ])('%j', (files, driver) => {
    expect(readNpuDriver(sysroot(files))).toEqual(driver);
  });
});
