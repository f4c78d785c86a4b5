import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { BenchFingerprint, Machine, MachineState } from './result.ts';

/** What is known of a model, and of the machine, when it is measured. */
export type FingerprintParts = {
  readonly machine: Machine;
  readonly state: MachineState;
  readonly cpusUsed: string | undefined;
  readonly runtimeVersion: string | undefined;
  readonly rawVersion: string | undefined;
  readonly modelKey: string | undefined;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly file:
    | { readonly name: string; readonly sizeBytes: number; readonly sha256?: string | undefined }
    | undefined;
  readonly quantization: string | undefined;
  readonly storage: string | undefined;
  readonly storageBytesPerSec: number | undefined;
  readonly sluiceVersion: string;
  readonly uses: UsedDevices;
};

/** Which devices beside the CPU a model's speed depends on. */
export type UsedDevices = { readonly npu: boolean; readonly gpu: boolean };

/**
 * Everything that changes a model's speed, as names and values, with a digest; and beside it what is worth knowing and
 * changes none. What could not be read is left out: two states that both do not know a thing are not told apart by it.
 */
export function fingerprintOf(parts: FingerprintParts): BenchFingerprint {
  const { machine, file } = parts;
  const facts = defined({
    machine: machine.model ?? machine.soc ?? machine.vendor,
    cpu: machine.cpuModel,
    cpus: machine.cpus,
    memory: machine.memoryBytes === undefined ? undefined : String(machine.memoryBytes),
    ...machineFacts(machine, parts.state, parts.uses),
    'cpus used': parts.cpusUsed,
    runtime: parts.runtimeVersion,
    model: parts.modelKey,
    settings: JSON.stringify(sorted(parts.settings)),
    storage: parts.storage,
  });
  const notes = defined({
    sluice: parts.sluiceVersion,
    'llama-bench': parts.rawVersion,
    file: file?.name,
    'file bytes': file === undefined ? undefined : String(file.sizeBytes),
    'file sha256': file?.sha256,
    quantization: parts.quantization,
    'storage read, MB/s':
      parts.storageBytesPerSec === undefined ? undefined : (parts.storageBytesPerSec / 1e6).toFixed(0),
  });
  const id = createHash('sha256')
    .update(JSON.stringify(sorted(facts)))
    .digest('hex')
    .slice(0, 12);
  return { id, facts, notes };
}

/**
 * What can change while a machine runs or between two boots of it: looked at again and again by the gateway. Clocks and
 * drivers of devices a model does not run on are no business of its figures.
 */
export function machineFacts(
  machine: Machine,
  state: MachineState,
  uses: UsedDevices,
): Readonly<Record<string, string>> {
  const devices = (state.deviceClocks ?? []).filter(
    ({ device }) => (uses.npu || !device.includes('npu')) && (uses.gpu || !device.includes('gpu')),
  );
  const clocks = [
    ...state.frequencies.map(({ cpus, ...clock }) => ({ name: `cpus ${cpus}`, ...clock })),
    ...devices.map(({ device, ...clock }) => ({ name: device, ...clock })),
  ];
  return defined({
    kernel: machine.kernel,
    'npu driver': uses.npu ? machine.npuDriver : undefined,
    ...Object.fromEntries(
      clocks.flatMap(({ name, governor, maxKhz }) => [
        [`governor of ${name}`, governor],
        [`clock limit of ${name}, MHz`, maxKhz === undefined ? undefined : String(Math.round(maxKhz / 1000))],
      ]),
    ),
  });
}

/** Clock limits within this share are the same one: firmware rounds them. */
const LIMIT_TOLERANCE = 0.03;

/**
 * What differs between two sets of facts, one line each, e.g. `kernel 6.1.75 then, 6.1.99 now`. Only names both know are
 * compared.
 */
export function factDifferences(
  then: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
  words: readonly [string, string] = ['then', 'now'],
): readonly string[] {
  return Object.entries(then).flatMap(([name, before]) => {
    const after = now[name];
    if (after === undefined || after === before || (name.startsWith('clock limit') && isNear(before, after))) return [];
    return [`${name}: ${before} ${words[0]}, ${after} ${words[1]}`];
  });
}

function isNear(before: string, after: string): boolean {
  const [a, b] = [Number(before), Number(after)];
  return Math.abs(a - b) <= LIMIT_TOLERANCE * Math.max(a, b);
}

/**
 * Storage a file lies on, as the kernel names it: device, model where there is one, file system. Undefined where the
 * mount table cannot be read.
 */
export async function storageOf(file: string, sysroot = '/'): Promise<string | undefined> {
  try {
    const path = await realpath(file);
    const { dev } = await stat(path);
    // Linux packs the numbers of a device so: sysmacros.h, gnu_dev_major and gnu_dev_minor.
    const major = (Math.floor(dev / 2 ** 32) & 0xfffff000) | ((dev >>> 8) & 0xfff);
    const minor = ((dev >>> 12) & 0xffffff00) | (dev & 0xff);
    const number = `${major}:${minor}`;
    const mount = readFileSync(join(sysroot, 'proc/self/mountinfo'), 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .find((fields) => fields[2] === number);
    const after = mount?.slice(mount.indexOf('-') + 1);
    const [type, source] = after ?? [];
    const model = diskModel(number, sysroot);
    const words = [source === undefined ? undefined : basename(source), model, type];
    return words.filter((word) => word !== undefined).join(', ') || undefined;
  } catch {
    // The file is gone, or this is no Linux: the storage is then not known.
    return undefined;
  }
}

/** Name a disk gives itself; the disk of a partition is one folder up. */
function diskModel(number: string, sysroot: string): string | undefined {
  for (const path of ['device/model', '../device/model', 'device/name', '../device/name']) {
    try {
      return readFileSync(join(sysroot, 'sys/dev/block', number, path), 'utf8').trim();
    } catch {
      // SD cards call it `name`, disks `model`, virtual disks nothing.
    }
  }
  return undefined;
}

const defined = (facts: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));

const sorted = (value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));

/** Devices a model of this kind and with these settings runs on, beside the CPU. */
export const usedDevices = (kind: string, settings: { readonly gpuLayers?: number | undefined }): UsedDevices => ({
  npu: kind === 'rkllm',
  gpu: (settings.gpuLayers ?? 0) > 0,
});
