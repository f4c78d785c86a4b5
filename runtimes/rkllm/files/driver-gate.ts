import type { NpuDriver } from '../../../src/transport/npu-driver.ts';
import { compareVersions } from './version.ts';

/** Whether the NPU may be used. */
export type DriverGate =
  | {
      readonly kind: 'on';
      readonly version: string | undefined;
      /** What could be better; undefined where nothing. */
      readonly advice: string | undefined;
    }
  | { readonly kind: 'off'; readonly reason: string; readonly remedy: string };

/** Oldest driver librkllmrt works with, and the one Rockchip's manual wants. */
export const DRIVER_OLDEST = '0.9.7';
/** Version that runs RKNN and RKLLM beside each other without "failed to submit". */
export const DRIVER_RECOMMENDED = '0.9.8';

const IMAGE =
  'use a system image with Rockchip kernel 6.1 and NPU driver 0.9.8, e.g. Armbian with the vendor kernel; it cannot be had on kernel 5.10';

/**
 * Decides by its driver whether the NPU may be used. A driver whose version cannot be read passes with advice, because
 * the version node is root's on many systems; the library prints the version when a model loads.
 */
export function gateDriver(driver: NpuDriver): DriverGate {
  switch (driver.kind) {
    case 'none':
      return {
        kind: 'off',
        reason: 'no NPU driver is loaded (no rknpu under /sys or /dev)',
        remedy: `run it on a board with a Rockchip NPU; there, ${IMAGE}`,
      };
    case 'mainline':
      return {
        kind: 'off',
        reason: `the mainline NPU driver is loaded (${driver.source}), which librkllmrt cannot talk to`,
        remedy: IMAGE,
      };
    case 'rknpu':
      return gateVersion(driver.version, driver.source);
  }
}

function gateVersion(version: string | undefined, source: string): DriverGate {
  if (version === undefined) {
    const advice = `the NPU driver is there (${source}) but its version cannot be read; run "sudo cat /sys/kernel/debug/rknpu/version": it must say ${DRIVER_OLDEST} or newer`;
    return { kind: 'on', version, advice };
  }
  if ((compareVersions(version, DRIVER_OLDEST) ?? 0) < 0) {
    return { kind: 'off', reason: `NPU driver ${version} is older than ${DRIVER_OLDEST} (${source})`, remedy: IMAGE };
  }
  const isOlder = (compareVersions(version, DRIVER_RECOMMENDED) ?? 0) < 0;
  const advice = isOlder ? `NPU driver ${version} works, ${DRIVER_RECOMMENDED} is recommended: ${IMAGE}` : undefined;
  return { kind: 'on', version, advice };
}
