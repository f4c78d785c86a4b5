import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { readLibraryVersion } from '../../runtimes/rkllm/abi/library-version.ts';
import { type DriverGate, gateDriver } from '../../runtimes/rkllm/files/driver-gate.ts';
import { readSoc, type Soc } from '../../runtimes/rkllm/files/soc.ts';
import { findLibrary } from '../../runtimes/rkllm/find-library.ts';
import { readMachine } from '../bench/fingerprint.ts';
import { parseCpuList } from '../policy/units.ts';
import { findProgram } from '../transport/find-program.ts';
import { readNpuDriver } from '../transport/npu-driver.ts';

/** What a policy depends on in a machine. */
export type MachineFacts = {
  /** For people: the board's or the machine's own name, else its processor. */
  readonly title: string;
  /** CPUs of one kind and their highest clock, the fastest first; one cluster where all are alike or nothing is known. */
  readonly clusters: readonly CpuCluster[];
  /** Cores that do not share their arithmetic with another (no second hardware threads). */
  readonly cores: number;
  /** Undefined where the machine does not say. */
  readonly memoryBytes: number | undefined;
  readonly npu: NpuFacts | undefined;
  /** Absolute paths; undefined where there is none. */
  readonly llamaServer: string | undefined;
  readonly llamaBench: string | undefined;
};

export type CpuCluster = { readonly cpus: readonly number[]; readonly maxKhz: number | undefined };

/** A chip RKLLM runs on, and what is there to use it with. */
export type NpuFacts = {
  readonly soc: Soc;
  readonly driver: DriverGate;
  /** Path of librkllmrt.so as its machine names it; undefined where it is not installed. */
  readonly library: string | undefined;
  readonly libraryVersion: string | undefined;
};

/** What a machine is looked at with. */
export type FactsOptions = {
  /** Folder that stands for `/`; programs are looked for in the environment's PATH only where it is `/` itself. */
  readonly sysroot: string;
  readonly environment: NodeJS.ProcessEnv;
  /** CPUs this process may use at a time; a container or `taskset` may allow fewer than the machine has. */
  readonly allowedCpus?: number;
};

/** Looks at the machine whose files lie under `sysroot`. What cannot be read is left out; never rejects. */
export async function readMachineFacts({ sysroot, environment, allowedCpus }: FactsOptions): Promise<MachineFacts> {
  const machine = readMachine(sysroot);
  const live = resolve(sysroot) === sep;
  const clusters = readClusters(sysroot, machine.cpus);
  const find = (name: string) => (live ? findProgram(name, environment) : undefined);
  const present = Math.max(1, clusters.flatMap(({ cpus }) => cpus).length);
  return {
    title: machine.model ?? machine.cpuModel ?? 'unknown machine',
    clusters,
    cores: Math.min(coresOf(sysroot) ?? present, allowedCpus ?? present),
    memoryBytes: machine.memoryBytes,
    npu: await readNpu(sysroot, environment),
    llamaServer: find('llama-server'),
    llamaBench: find('llama-bench'),
  };
}

async function readNpu(sysroot: string, environment: NodeJS.ProcessEnv): Promise<NpuFacts | undefined> {
  const soc = readSoc(sysroot);
  if (soc === undefined) return undefined;
  const library = libraryIn(sysroot, environment);
  // Unreadable is as good as unknown: the gateway says why when it opens the library.
  const version = library === undefined ? undefined : await readLibraryVersion(library.at).catch(() => undefined);
  return {
    soc,
    driver: gateDriver(readNpuDriver(sysroot)),
    library: library?.named,
    libraryVersion: version?.version,
  };
}

const LIBRARY = 'librkllmrt.so';
const LIBRARY_FOLDERS = ['/usr/lib', '/usr/local/lib', '/usr/lib/aarch64-linux-gnu', '/opt/rkllm/lib'];

type FoundLibrary = { readonly named: string; readonly at: string };

function libraryIn(sysroot: string, environment: NodeJS.ProcessEnv): FoundLibrary | undefined {
  if (resolve(sysroot) === sep) {
    const found = findLibrary(LIBRARY, environment);
    return found === undefined ? undefined : { named: found, at: found };
  }
  const places = LIBRARY_FOLDERS.map((folder) => ({
    named: join(folder, LIBRARY),
    at: join(sysroot, folder, LIBRARY),
  }));
  return places.find(({ at }) => existsSync(at));
}

function readClusters(sysroot: string, online: string | undefined): readonly CpuCluster[] {
  const folder = join(sysroot, 'sys/devices/system/cpu/cpufreq');
  const little = littleCores(textOf(join(sysroot, 'proc/cpuinfo')) ?? '');
  const policies = namesIn(folder, /^policy\d+$/).flatMap((name) => {
    const words = (textOf(join(folder, name, 'affected_cpus')) ?? '').split(/\s+/).filter((word) => word !== '');
    const maxKhz = numberOf(join(folder, name, 'cpuinfo_max_freq')) ?? numberOf(join(folder, name, 'scaling_max_freq'));
    const cpus = words.map(Number);
    return maxKhz === undefined || cpus.length === 0
      ? []
      : [{ cpus, maxKhz, little: cpus.every((cpu) => little.has(cpu)) }];
  });
  if (policies.length > 0) return joined(policies);
  const cpus = online === undefined ? undefined : parseCpuList(online);
  return [{ cpus: cpus ?? [0], maxKhz: undefined }];
}

/**
 * Part numbers of Arm's little cores (A53, A35, A55, A510, A520), as MIDR_EL1 has them. Clocks alone do not tell: the
 * A53 of an RK3576 run at 2.2 GHz, its A72 at 2.3.
 */
const LITTLE_PARTS: readonly string[] = ['0xd03', '0xd04', '0xd05', '0xd46', '0xd80'];

function littleCores(cpuInfo: string): ReadonlySet<number> {
  const little = new Set<number>();
  for (const block of cpuInfo.split(/\n\s*\n/)) {
    const cpu = /^processor\s*:\s*(\d+)/m.exec(block)?.[1];
    const part = /^CPU part\s*:\s*(\S+)/m.exec(block)?.[1];
    if (cpu !== undefined && part !== undefined && LITTLE_PARTS.includes(part)) little.add(Number(cpu));
  }
  return little;
}

// Two groups of big cores of one chip differ by a few per cent in their bins; other kinds of cores by a third at least.
const ALIKE = 0.9;

type ClockGroup = { readonly cpus: readonly number[]; readonly maxKhz: number; readonly little: boolean };

/** Groups of one kind as one, the fastest first. */
function joined(groups: readonly ClockGroup[]): readonly CpuCluster[] {
  const sorted = groups.toSorted((a, b) => Number(a.little) - Number(b.little) || b.maxKhz - a.maxKhz);
  const clusters: { cpus: number[]; maxKhz: number; little: boolean }[] = [];
  for (const { cpus, maxKhz, little } of sorted) {
    const last = clusters.at(-1);
    if (last?.little === little && maxKhz >= last.maxKhz * ALIKE) last.cpus.push(...cpus);
    else clusters.push({ cpus: [...cpus], maxKhz, little });
  }
  return clusters.map(({ cpus, maxKhz }) => ({ cpus: cpus.toSorted((a, b) => a - b), maxKhz }));
}

/** Counted by the sets of CPUs that share a core; undefined where the kernel does not tell. */
function coresOf(sysroot: string): number | undefined {
  const folder = join(sysroot, 'sys/devices/system/cpu');
  const siblings = namesIn(folder, /^cpu\d+$/).flatMap(
    (name) => textOf(join(folder, name, 'topology/thread_siblings_list')) ?? [],
  );
  return siblings.length === 0 ? undefined : new Set(siblings).size;
}

function namesIn(folder: string, pattern: RegExp): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => pattern.test(name));
  } catch {
    // A virtual machine has no clocks to read.
    return [];
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch {
    // Not on this kind of machine.
    return undefined;
  }
}

function numberOf(path: string): number | undefined {
  const value = Number(textOf(path));
  return Number.isFinite(value) && value > 0 ? value : undefined;
}
