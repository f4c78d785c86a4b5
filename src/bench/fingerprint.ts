import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatCpuList } from '../core/format.ts';
import { parseCpuList } from '../policy/units.ts';
import { readNpuDriver } from '../transport/npu-driver.ts';
import type { Machine, MachineState } from './result.ts';

/**
 * What a machine is and what state it is in, read from /sys, /proc and the device tree under `sysroot`. A value that
 * cannot be read is absent: a guess in a fingerprint would make two different machines look alike.
 */
export function readMachine(sysroot = '/'): Machine {
  const read = reader(sysroot);
  const compatible = nulSeparated(
    read('sys/firmware/devicetree/base/compatible') ?? read('proc/device-tree/compatible'),
  );
  const cpuInfo = read('proc/cpuinfo') ?? '';
  const memory = read('proc/meminfo');
  return withoutAbsent({
    model:
      nulSeparated(read('sys/firmware/devicetree/base/model') ?? read('proc/device-tree/model'))?.[0] ??
      line(read('sys/class/dmi/id/product_name')),
    soc: compatible?.at(-1)?.split(',').at(-1),
    compatible,
    vendor: line(read('sys/class/dmi/id/sys_vendor')),
    architecture: process.arch,
    cpuModel: cpuModel(cpuInfo),
    cpus: line(read('sys/devices/system/cpu/online')),
    kernel: line(read('proc/sys/kernel/osrelease')),
    npuDriver: npuDriver(sysroot),
    memoryBytes: kibibytes(memory, 'MemTotal'),
    swapBytes: kibibytes(memory, 'SwapTotal'),
  });
}

/** Clocks, temperatures and free memory now; `at` is the caller's time in ms. */
export function readMachineState(atMs: number, sysroot = '/'): MachineState {
  const read = reader(sysroot);
  const policies = entries(join(sysroot, 'sys/devices/system/cpu/cpufreq'), /^policy\d+$/);
  const zones = entries(join(sysroot, 'sys/class/thermal'), /^thermal_zone\d+$/);
  return withoutAbsent({
    at: new Date(atMs).toISOString(),
    frequencies: policies.map((policy) => {
      const value = (name: string) => line(read(`sys/devices/system/cpu/cpufreq/${policy}/${name}`));
      return withoutAbsent({
        cpus: value('affected_cpus') ?? policy,
        governor: value('scaling_governor'),
        currentKhz: number(value('scaling_cur_freq')),
        minKhz: number(value('scaling_min_freq')),
        maxKhz: number(value('scaling_max_freq')),
      });
    }),
    deviceClocks: deviceClocks(read, sysroot),
    temperatures: zones.flatMap((zone) => {
      const millidegrees = number(line(read(`sys/class/thermal/${zone}/temp`)));
      const name = line(read(`sys/class/thermal/${zone}/type`)) ?? zone;
      return millidegrees === undefined ? [] : [{ zone: name, celsius: millidegrees / 1000 }];
    }),
    memoryAvailableBytes: kibibytes(read('proc/meminfo'), 'MemAvailable'),
  });
}

// NPU and GPU by their address (fdab0000.npu on RK3588, 27700000.npu on RK3576); dmc is the memory controller, whose
// clock bounds every decode rate.
const CLOCKED_DEVICES = /npu|gpu|^dmc/;

/** Clocks of the kernel's devfreq devices, kHz; undefined where the machine has none of ours. */
function deviceClocks(read: Read, sysroot: string): MachineState['deviceClocks'] {
  const devices = entries(join(sysroot, 'sys/class/devfreq'), CLOCKED_DEVICES);
  if (devices.length === 0) return undefined;
  return devices.map((device) => {
    const value = (name: string) => line(read(`sys/class/devfreq/${device}/${name}`));
    const kilohertz = (name: string) => {
      const hertz = number(value(name));
      return hertz === undefined ? undefined : hertz / 1000;
    };
    return withoutAbsent({
      device,
      governor: value('governor'),
      currentKhz: kilohertz('cur_freq'),
      minKhz: kilohertz('min_freq'),
      maxKhz: kilohertz('max_freq'),
    });
  });
}

function npuDriver(sysroot: string): string | undefined {
  const driver = readNpuDriver(sysroot);
  if (driver.kind === 'none') return undefined;
  return driver.kind === 'mainline' ? 'mainline (rocket)' : (driver.version ?? 'rknpu, version not readable');
}

/**
 * What the state of a machine at both ends of a measurement says about the figures in between, for people. The NPU's
 * own clock is of no interest to a model that does not run on it.
 */
export function stateWarnings(
  start: MachineState,
  end: MachineState,
  model: { readonly usesNpu: boolean } = { usesNpu: false },
): readonly string[] {
  const cpus = start.frequencies.flatMap((before, index) =>
    clockWarnings(`CPUs ${before.cpus}`, before, end.frequencies[index]),
  );
  const devices = (start.deviceClocks ?? []).flatMap((before) => {
    if (before.device.includes('gpu') || (before.device.includes('npu') && !model.usesNpu)) return [];
    const after = end.deviceClocks?.find(({ device }) => device === before.device);
    return clockWarnings(before.device, before, after);
  });
  return [...cpus, ...devices];
}

type Clocked = { readonly governor?: string; readonly maxKhz?: number };

// `userspace` holds the clock somebody has set, which is how Rockchip's own scripts fix it.
const STEADY = ['performance', 'userspace'];

function clockWarnings(name: string, before: Clocked, after: Clocked | undefined): readonly string[] {
  const { governor } = before;
  const moves = governor !== undefined && !STEADY.includes(governor);
  // Thermal throttling lowers the upper bound; the current clock alone may just be idling.
  const throttled =
    after?.maxKhz !== undefined && before.maxKhz !== undefined && after.maxKhz < before.maxKhz * 0.97
      ? `${name}: throttled from ${before.maxKhz / 1000} to ${after.maxKhz / 1000} MHz while measuring`
      : undefined;
  return [
    ...(moves ? [`${name}: the ${governor} governor moves the clock with the load; performance repeats better`] : []),
    ...(throttled === undefined ? [] : [throttled]),
  ];
}

/** Word for result files' names: the SoC where a device tree names one, else the processor architecture. */
export const machineKind = (machine: Machine): string =>
  (machine.soc ?? machine.architecture).toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');

/** Highest resident memory of a process in bytes (VmHWM); undefined when it has ended. */
export function readPeakMemory(pid: number, sysroot = '/'): number | undefined {
  return kibibytes(reader(sysroot)(`proc/${pid}/status`), 'VmHWM');
}

/**
 * Memory of a process now, bytes, with pages it shares counted by its share of them (PSS of smaps_rollup); undefined when
 * it has ended or belongs to another user. Peaks are not kept by the kernel: this is the figure at the time of asking.
 */
export function readProportionalMemory(pid: number, sysroot = '/'): number | undefined {
  return kibibytes(reader(sysroot)(`proc/${pid}/smaps_rollup`), 'Pss');
}

/** CPUs of a list that exist on this machine, as a list; undefined when nothing is known. */
export function cpusUsed(wanted: readonly number[] | undefined, machine: Machine): string | undefined {
  if (wanted === undefined || machine.cpus === undefined) return machine.cpus;
  const online = new Set(parseCpuList(machine.cpus));
  return formatCpuList(wanted.filter((cpu) => online.has(cpu)));
}

type Read = (path: string) => string | undefined;

const reader =
  (sysroot: string): Read =>
  (path) => {
    try {
      return readFileSync(join(sysroot, path), 'utf8');
    } catch {
      // Absent on this kind of machine, or only for root: the value is then not known.
      return undefined;
    }
  };

function entries(folder: string, pattern: RegExp): readonly string[] {
  try {
    const names = readdirSync(folder).filter((name) => pattern.test(name));
    return names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  } catch {
    // Virtual machines have neither clocks nor thermal zones.
    return [];
  }
}

function line(text: string | undefined): string | undefined {
  const trimmed = text?.trim();
  return trimmed === '' ? undefined : trimmed;
}

function nulSeparated(text: string | undefined): readonly string[] | undefined {
  const parts = text?.split('\0').filter((part) => part.trim() !== '');
  return parts?.length === 0 ? undefined : parts;
}

function number(text: string | undefined): number | undefined {
  const value = Number(text);
  return text === undefined || !Number.isFinite(value) ? undefined : value;
}

function kibibytes(text: string | undefined, field: string): number | undefined {
  const value = new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(text ?? '')?.[1];
  return value === undefined ? undefined : Number(value) * 1024;
}

/** x86 names its processor; ARM gives a part number per core, of which the different ones are listed. */
function cpuModel(cpuInfo: string): string | undefined {
  const named = /^model name\s*:\s*(.+)$/m.exec(cpuInfo)?.[1];
  if (named !== undefined) return named.trim();
  const parts = [...cpuInfo.matchAll(/^CPU part\s*:\s*(\S+)$/gm)].map((match) => armCore(match[1] ?? ''));
  return parts.length === 0 ? undefined : [...new Set(parts)].join(' + ');
}

// Part numbers of Arm's own cores on the boards this project knows (Linux arch/arm64/include/asm/cputype.h).
const ARM_CORES: Readonly<Record<string, string>> = {
  '0xd03': 'Cortex-A53',
  '0xd05': 'Cortex-A55',
  '0xd08': 'Cortex-A72',
  '0xd0b': 'Cortex-A76',
};

const armCore = (part: string): string => ARM_CORES[part] ?? `Arm part ${part}`;

function withoutAbsent<Value extends object>(value: Value): Value {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Value;
}
