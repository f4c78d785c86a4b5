import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gateDriver } from '../../../../runtimes/rkllm/files/driver-gate.ts';
import { readSoc } from '../../../../runtimes/rkllm/files/soc.ts';
import { temporaryFolder } from '../../../helpers/temporary-folder.ts';

function sysroot(files: Readonly<Record<string, string>>): string {
  const root = temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

describe('gateDriver', () => {
  const gate = (version: string | undefined) => gateDriver({ kind: 'rknpu', version, source: '/x' });

  it('0.9.8 and later are on, without a word', () => {
    expect(gate('0.9.8')).toEqual({ kind: 'on', version: '0.9.8', advice: undefined });
    expect(gate('0.10.0')).toMatchObject({ kind: 'on', advice: undefined });
  });

  it('0.9.7 is on, and 0.9.8 recommended', () => {
    expect(gate('0.9.7')).toMatchObject({ kind: 'on', advice: expect.stringContaining('0.9.8 is recommended') });
  });

  it.each(['0.9.6', '0.8.2'])('%s is off', (version) => {
    expect(gate(version)).toMatchObject({
      kind: 'off',
      reason: expect.stringContaining(`${version} is older than 0.9.7`),
      remedy: expect.stringContaining('kernel 6.1'),
    });
  });

  it('an unreadable version is on, with the command that shows it', () => {
    expect(gate(undefined)).toMatchObject({ kind: 'on', advice: expect.stringContaining('sudo cat') });
  });

  it('the mainline driver is off', () => {
    expect(gateDriver({ kind: 'mainline', source: '/sys/module/rocket' })).toMatchObject({
      kind: 'off',
      reason: expect.stringContaining('mainline'),
      remedy: expect.stringContaining('kernel 6.1'),
    });
  });

  it('no driver is off', () => {
    expect(gateDriver({ kind: 'none' })).toMatchObject({
      kind: 'off',
      reason: expect.stringContaining('no NPU driver'),
    });
  });
});

describe('readSoc', () => {
  it('reads the chip from the device tree', () => {
    const tree = (text: string) => readSoc(sysroot({ 'proc/device-tree/compatible': text }))?.id;
    expect(tree('youyeetoo,r1\0rockchip,rk3588s\0')).toBe('rk3588');
    expect(tree('board\0rockchip,rk3576\0')).toBe('rk3576');
    expect(tree('raspberrypi,5-model-b\0brcm,bcm2712\0')).toBeUndefined();
  });

  it('knows the RK3588 board’s own files', () => {
    expect(readSoc(join(import.meta.dirname, '../../../fixtures/sysroots/rk3588'))?.name).toBe('RK3588');
  });

  it('is undefined without a device tree', () => {
    expect(readSoc(temporaryFolder())).toBeUndefined();
  });
});
