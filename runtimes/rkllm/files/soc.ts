import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A system-on-chip RKLLM runs on. */
export type Soc = {
  /** `rk3588` */
  readonly id: string;
  /** `RK3588`, as the library writes it. */
  readonly name: string;
  readonly npuCores: number;
  /** Data types the toolkit makes models in for this chip. */
  readonly dtypes: RegExp;
  readonly dtypesText: string;
};

/** The chips librkllmrt knows: cores and data types from Rockchip's SDK manual 1.3.0. */
export const SOCS: readonly Soc[] = [
  {
    id: 'rk3588',
    name: 'RK3588',
    npuCores: 3,
    dtypes: /^w8a8(_g(128|256|512))?$/,
    dtypesText: 'w8a8, w8a8_g128, w8a8_g256 or w8a8_g512',
  },
  // An RK3588 with one NPU core fused off; it runs the RK3588's files on two cores.
  {
    id: 'rk3583',
    name: 'RK3583',
    npuCores: 2,
    dtypes: /^w8a8(_g(128|256|512))?$/,
    dtypesText: 'w8a8, w8a8_g128, w8a8_g256 or w8a8_g512',
  },
  {
    id: 'rk3576',
    name: 'RK3576',
    npuCores: 2,
    dtypes: /^(w4a16(_g(32|64|128))?|w8a8)$/,
    dtypesText: 'w4a16, w4a16_g32, w4a16_g64, w4a16_g128 or w8a8',
  },
  {
    id: 'rk3562',
    name: 'RK3562',
    npuCores: 1,
    dtypes: /^(w8a8|w4a16_g(32|64|128)|w4a8_g32)$/,
    dtypesText: 'w8a8, w4a16_g32, w4a16_g64, w4a16_g128 or w4a8_g32',
  },
  {
    id: 'rv1126b',
    name: 'RV1126B',
    npuCores: 1,
    dtypes: /^(w4a16(_g(32|64|128))?|w8a8)$/,
    dtypesText: 'w4a16, w4a16_g32, w4a16_g64, w4a16_g128 or w8a8',
  },
];

/** A chip by its name in any spelling (`RK3588S` too); undefined where RKLLM does not know it. */
export function findSoc(name: string): Soc | undefined {
  const text = name.toLowerCase();
  return SOCS.find((soc) => new RegExp(`(^|[^a-z0-9])${soc.id}s?($|[^a-z0-9])`).test(text));
}

/** The chip of the machine whose files lie under `sysroot`, from its device tree; undefined where it is none of ours. */
export function readSoc(sysroot = '/'): Soc | undefined {
  for (const path of ['proc/device-tree/compatible', 'sys/firmware/devicetree/base/compatible']) {
    const text = readText(join(sysroot, path));
    const soc = text === undefined ? undefined : findSoc(text.replaceAll('\0', ' '));
    if (soc !== undefined) return soc;
  }
  return undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // No device tree: not a board of this kind.
    return undefined;
  }
}
