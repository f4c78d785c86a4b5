import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { isAbsolute, join, resolve, sep } from 'node:path';
import type { Soc } from '../../runtimes/rkllm/files/soc.ts';
import type { Machine, MachineState } from '../bench/result.ts';
import { formatCpuList } from '../core/format.ts';
import type { ModelPolicy, Policy } from '../core/policy.ts';
import type { NpuDriver } from '../transport/npu-driver.ts';
import type { FoundLibrary } from './find-library.ts';
import type { LookedModel } from './look-at-models.ts';
import type { Tools } from './tools.ts';

/**
 * The files of a machine: of this one, or of a copy under a folder (`--sysroot`). Paths have no leading slash.
 * What cannot be read is absent, because a report must come to its end on any machine.
 */
export interface Files {
  /** Folder that stands for `/`. */
  readonly sysroot: string;
  /** False for a copy: programs cannot be run, ports not be asked, storage not be timed. */
  readonly live: boolean;
  /** Content of a file without white space around it; undefined where it cannot be read or is empty. */
  text(path: string): string | undefined;
  /** A file that holds one number. */
  number(path: string): number | undefined;
  /** Names in a folder that match, numbers in their order; empty where there is no such folder. */
  names(folder: string, pattern: RegExp): readonly string[];
  exists(path: string): boolean;
  /** True where this user may read and write it. */
  mayUse(path: string): boolean;
  /** Where a path of that machine lies on this one. */
  locate(absolute: string): string;
  /** A path, or a text with paths, as that machine names them. */
  shown(text: string): string;
}

/** What `access(2)` answers for reading and writing; tests run as root, who may do anything, and say themselves. */
export type MayUse = (path: string) => boolean;

/** The files under `sysroot`. */
export function createFiles(sysroot: string, mayUse: MayUse = readableAndWritable): Files {
  const root = resolve(sysroot);
  const at = (path: string) => join(root, path);
  const text = (path: string): string | undefined => {
    try {
      return readFileSync(at(path), 'utf8').trim() || undefined;
    } catch {
      // Not on this kind of machine, or root's alone.
      return undefined;
    }
  };
  const inside = (path: string) => root !== sep && (path === root || path.startsWith(root + sep));
  return {
    sysroot: root,
    live: root === sep,
    text,
    number: (path) => {
      const found = text(path);
      const value = Number(found);
      return found === undefined || !Number.isFinite(value) ? undefined : value;
    },
    names: (folder, pattern) => {
      try {
        const found = readdirSync(at(folder)).filter((name) => pattern.test(name));
        return found.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
      } catch {
        // A virtual machine has neither clocks nor thermal zones.
        return [];
      }
    },
    exists: (path) => existsSync(at(path)),
    mayUse: (path) => mayUse(at(path)),
    locate: (absolute) => (root === sep || inside(absolute) || !isAbsolute(absolute) ? absolute : at(absolute)),
    shown: (text) => (root === sep ? text : text === root ? sep : text.replaceAll(root + sep, sep)),
  };
}

function readableAndWritable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    // The answer itself.
    return false;
  }
}

/** The policy file as it was found. */
export type PolicyRead =
  | { readonly kind: 'valid'; readonly file: string; readonly policy: Policy }
  | { readonly kind: 'invalid'; readonly file: string; readonly problems: readonly string[] }
  | { readonly kind: 'absent'; readonly file: string };

/** Why the benchmark results were not read. */
export type StoreProblem =
  /** Written by an older Sluice: to read it would change it. */
  | { readonly kind: 'older'; readonly file: string; readonly found: number; readonly wanted: number }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** A machine as every check sees it: read once, before the first of them. */
export type Host = {
  readonly files: Files;
  readonly machine: Machine;
  readonly state: MachineState;
  /** Undefined where the chip is none that RKLLM runs on. */
  readonly soc: Soc | undefined;
  readonly driver: NpuDriver;
  readonly library: FoundLibrary;
  readonly policy: PolicyRead;
  /** The policy's enabled models, looked at; empty without a valid policy. */
  readonly models: readonly LookedModel[];
  /** Memory all models together may have, bytes; undefined where nothing is known. */
  readonly budgetBytes: number | undefined;
  readonly dataDir: string;
  /** What kept the benchmark results from being read; undefined where nothing did. */
  readonly storeProblem: StoreProblem | undefined;
  readonly tools: Tools;
};

/** CPUs of a cluster of cpufreq, for people: `policy4` → `CPUs 4-5`. */
export function clusterName(files: Files, policy: string): string {
  const cpus = (files.text(`sys/devices/system/cpu/cpufreq/${policy}/affected_cpus`) ?? '')
    .split(/\s+/)
    .filter(Boolean);
  return cpus.length === 0 ? policy : `CPUs ${formatCpuList(cpus.map(Number))}`;
}

/** Models of the policy that need the NPU. */
export const npuModels = (host: Host): readonly LookedModel[] => host.models.filter(({ kind }) => kind === 'rkllm');

/** Names for a sentence: at most five, then how many more. */
export function nameList(models: readonly { readonly model: Pick<ModelPolicy, 'id'> }[]): string {
  const names = models.map(({ model }) => model.id);
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}
