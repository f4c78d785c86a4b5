import { stat } from 'node:fs/promises';
import { messageOf } from '../../src/core/errors.ts';
import type { RuntimePolicy, RuntimeSettings } from '../../src/core/policy.ts';
import { readNpuDriver } from '../../src/transport/npu-driver.ts';
import { chooseProfile } from './abi/choose-profile.ts';
import { type LibraryVersion, readLibraryVersion } from './abi/library-version.ts';
import type { AbiProfile } from './abi/structs.ts';
import { gateDriver } from './files/driver-gate.ts';
import { readSoc, type Soc } from './files/soc.ts';
import { findLibrary } from './find-library.ts';

/** The library and the machine under it. */
export type ProbedLibrary =
  | {
      readonly kind: 'usable';
      readonly path: string;
      readonly profile: AbiProfile;
      readonly version: string | undefined;
      /** Our own stand-in: neither driver nor chip are asked for. */
      readonly simulated: boolean;
      readonly soc: Soc | undefined;
      readonly driverVersion: string | undefined;
    }
  | {
      readonly kind: 'unusable';
      readonly version: string | undefined;
      readonly reason: string;
      readonly remedy: string;
    };

/** Looks at the library of a runtime and at the NPU's driver. Never rejects. */
export type LibraryProbe = (runtime: RuntimePolicy, settings: RuntimeSettings) => Promise<ProbedLibrary>;

/** Name of the library where the policy gives none. */
const LIBRARY = 'librkllmrt.so';

/** A probe that reads each version of a library's file once; `sysroot` is where /sys, /proc and /dev are looked for. */
export function createLibraryProbe(environment: NodeJS.ProcessEnv, sysroot: string): LibraryProbe {
  const versions = new Map<string, Promise<LibraryVersion>>();
  const versionOf = async (path: string): Promise<LibraryVersion> => {
    const { mtimeMs, size } = await stat(path);
    const key = `${path} ${mtimeMs} ${size}`;
    const known = versions.get(key) ?? readLibraryVersion(path);
    versions.set(key, known);
    known.catch(() => versions.delete(key));
    return known;
  };
  return async (runtime, settings) => {
    const name = runtime.library ?? LIBRARY;
    const path = findLibrary(name, environment);
    if (path === undefined) {
      const remedy = `copy librkllmrt.so (1.2.3 or 1.3.x, airockchip/rknn-llm) there, or correct runtimes.${runtime.id}.library`;
      return { kind: 'unusable', version: undefined, reason: `no library ${name} was found`, remedy };
    }
    try {
      return onMachine(path, await versionOf(path), settings, sysroot);
    } catch (error) {
      const remedy = 'give the gateway read access to the library';
      return { kind: 'unusable', version: undefined, reason: `${path}: ${messageOf(error)}`, remedy };
    }
  };
}

function onMachine(path: string, found: LibraryVersion, settings: RuntimeSettings, sysroot: string): ProbedLibrary {
  const { version, simulated } = found;
  const choice = chooseProfile(version, settings.abi);
  if (choice.kind === 'refused') {
    return { kind: 'unusable', version, reason: `${path}: ${choice.reason}`, remedy: choice.remedy };
  }
  const usable = { kind: 'usable', path, profile: choice.profile, version, simulated } as const;
  if (simulated) return { ...usable, soc: undefined, driverVersion: undefined };
  const gate = gateDriver(readNpuDriver(sysroot));
  if (gate.kind === 'off') return { kind: 'unusable', version, reason: gate.reason, remedy: gate.remedy };
  return { ...usable, soc: readSoc(sysroot), driverVersion: gate.version };
}
