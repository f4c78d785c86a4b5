import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chooseProfile } from '../../runtimes/rkllm/abi/choose-profile.ts';
import { readLibraryVersion } from '../../runtimes/rkllm/abi/library-version.ts';
import type { AbiProfile } from '../../runtimes/rkllm/abi/structs.ts';
import { checkCompatibility } from '../../runtimes/rkllm/files/compatibility.ts';
import { gateDriver } from '../../runtimes/rkllm/files/driver-gate.ts';
import { type RkllmModelFile, readModelFile } from '../../runtimes/rkllm/files/model-file.ts';
import { readSoc, type Soc } from '../../runtimes/rkllm/files/soc.ts';
import { messageOf } from '../../src/core/errors.ts';
import { readNpuDriver } from '../../src/transport/npu-driver.ts';

/** One look at the machine. `missing`: the NPU cannot be tried without it. */
export type MachineCheck = {
  readonly id: string;
  readonly status: 'ok' | 'advice' | 'missing';
  readonly found: string;
  readonly remedy: string | undefined;
};

/** What there is to try the NPU with. */
export type Bench = {
  readonly checks: readonly MachineCheck[];
  readonly library: { readonly path: string; readonly profile: AbiProfile; readonly simulated: boolean } | undefined;
  /** Models that may run here. */
  readonly models: readonly RkllmModelFile[];
};

/** What to look at. */
export type MachineQuestion = {
  readonly sysroot: string;
  /** Undefined: the usual places are searched. */
  readonly library: string | undefined;
  readonly models: readonly string[];
  /** Take the simulator for the library, and do without board and driver. */
  readonly rehearse: boolean;
};

const LIBRARY_PLACES = [
  'usr/lib',
  'usr/local/lib',
  'lib/aarch64-linux-gnu',
  'usr/lib/aarch64-linux-gnu',
  'opt/rkllm/lib',
];
const ok = (id: string, found: string): MachineCheck => ({ id, status: 'ok', found, remedy: undefined });
const missing = (id: string, found: string, remedy: string): MachineCheck => ({ id, status: 'missing', found, remedy });
const advice = (id: string, found: string, remedy: string): MachineCheck => ({ id, status: 'advice', found, remedy });

/** Looks at chip, kernel, driver, device, library and models. Never rejects: what is wrong is in the checks. */
export async function lookAtMachine(question: MachineQuestion): Promise<Bench> {
  const soc = readSoc(question.sysroot);
  const library = await checkLibrary(question);
  const board = [
    checkSoc(soc),
    checkKernel(question.sysroot),
    checkDriver(question.sysroot),
    checkDevice(question.sysroot),
  ];
  const models = await Promise.all(question.models.map((path) => checkModel(path, soc, library, question.rehearse)));
  const none =
    question.models.length === 0 ? [missing('model', 'no model was named', 'name one with --model FILE.rkllm')] : [];
  return {
    // A rehearsal needs none of the board; what it lacks is then only said.
    checks: [
      ...board.map((check) =>
        question.rehearse && check.status === 'missing' ? { ...check, status: 'advice' as const } : check,
      ),
      checkClocks(question.sysroot),
      library.check,
      ...models.map(({ check }) => check),
      ...none,
    ],
    library: library.usable,
    models: models.flatMap(({ usable }) => usable ?? []),
  };
}

function checkSoc(soc: Soc | undefined): MachineCheck {
  if (soc !== undefined) return ok('chip', `${soc.name}, ${soc.npuCores} NPU cores`);
  return missing('chip', 'none that RKLLM runs on', 'run this on an RK3588, RK3576, RK3562 or RV1126B board');
}

function checkKernel(sysroot: string): MachineCheck {
  const release = readText(join(sysroot, 'proc/sys/kernel/osrelease'))?.trim() ?? 'unknown';
  const version = /^(\d+)\.(\d+)/.exec(release);
  const isOld = version !== null && Number(version[1]) * 100 + Number(version[2]) < 601;
  return isOld
    ? advice('kernel', release, 'use an image with kernel 6.1: driver 0.9.8 needs it')
    : ok('kernel', release);
}

function checkDriver(sysroot: string): MachineCheck {
  const gate = gateDriver(readNpuDriver(sysroot));
  if (gate.kind === 'off') return missing('driver', gate.reason, gate.remedy);
  const found = gate.version ?? 'version unreadable';
  return gate.advice === undefined ? ok('driver', found) : advice('driver', found, gate.advice);
}

function checkDevice(sysroot: string): MachineCheck {
  const folder = join(sysroot, 'dev/dri');
  const nodes = existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith('renderD')) : [];
  const paths = [...nodes.map((name) => join(folder, name)), join(sysroot, 'dev/rknpu')].filter(existsSync);
  const remedy = 'load the rknpu driver, and add the user to the groups render and video';
  if (paths.length === 0) return missing('device', 'no /dev/dri/renderD* and no /dev/rknpu', remedy);
  const usable = paths.filter(isAccessible);
  if (usable.length === 0) return missing('device', `${paths.join(', ')}: no access`, remedy);
  return ok('device', usable.join(', '));
}

function checkClocks(sysroot: string): MachineCheck {
  const folder = join(sysroot, 'sys/class/devfreq');
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /npu|dmc/.test(name)) : [];
  const read = (name: string, file: string) => readText(join(folder, name, file))?.trim() ?? '?';
  const found = names.map((name) => `${name} ${read(name, 'governor')} at ${read(name, 'cur_freq')} Hz`);
  if (found.length === 0)
    return advice('clocks', 'no NPU or memory clock under /sys/class/devfreq', 'figures may vary');
  const fixed = names.every((name) => ['userspace', 'performance'].includes(read(name, 'governor')));
  return fixed
    ? ok('clocks', found.join('; '))
    : advice('clocks', found.join('; '), 'fix the clocks (governor userspace or performance) for figures that repeat');
}

type CheckedLibrary = {
  readonly check: MachineCheck;
  readonly usable: Bench['library'];
  readonly version: string | undefined;
};

async function checkLibrary({ sysroot, library, rehearse }: MachineQuestion): Promise<CheckedLibrary> {
  const none = { usable: undefined, version: undefined };
  const places =
    library === undefined ? LIBRARY_PLACES.map((place) => join(sysroot, place, 'librkllmrt.so')) : [library];
  const path = places.find(existsSync);
  const remedy = 'copy librkllmrt.so (1.2.3 or 1.3.x) to /usr/lib and name it with --library; it needs libgomp1';
  if (path === undefined) return { ...none, check: missing('library', `not in ${places.join(', ')}`, remedy) };
  const { version, simulated } = await readLibraryVersion(path).catch(() => ({ version: undefined, simulated: false }));
  const choice = chooseProfile(version, undefined);
  if (choice.kind === 'refused')
    return { ...none, check: missing('library', `${path}: ${choice.reason}`, choice.remedy) };
  if (simulated && !rehearse) {
    const found = `${path} is the simulator, which is no hardware`;
    return { ...none, check: missing('library', found, `${remedy}; or rehearse with --rehearse`) };
  }
  const found = `${path}, version ${version}${simulated ? ' (SIMULATED)' : ''}`;
  return { check: ok('library', found), usable: { path, profile: choice.profile, simulated }, version };
}

async function checkModel(path: string, soc: Soc | undefined, library: CheckedLibrary, rehearse: boolean) {
  try {
    const model = await readModelFile(path);
    const faults = rehearse ? [] : checkCompatibility(model.facts, { soc, runtimeVersion: library.version });
    const [fault] = faults;
    if (fault !== undefined)
      return { check: missing('model', `${path}: ${fault.reason}`, fault.remedy), usable: undefined };
    if (model.isStandIn && !rehearse) {
      const found = `${path} is a stand-in for the simulator`;
      return { check: missing('model', found, 'name a real model file'), usable: undefined };
    }
    const known = Object.entries(model.facts).map(([key, value]) => `${key} ${value}`);
    return { check: ok('model', `${path}: ${known.join(', ')}`), usable: model };
  } catch (error) {
    return { check: missing('model', messageOf(error), 'correct the path'), usable: undefined };
  }
}

function isAccessible(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    // The answer itself.
    return false;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Not on this kind of machine, or only for root.
    return undefined;
  }
}
