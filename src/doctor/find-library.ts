import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { chooseProfile } from '../../runtimes/rkllm/abi/choose-profile.ts';
import { readLibraryVersion } from '../../runtimes/rkllm/abi/library-version.ts';
import { findLibrary } from '../../runtimes/rkllm/find-library.ts';
import { messageOf } from '../core/errors.ts';
import type { Policy } from '../core/policy.ts';
import type { Files } from './host.ts';

/** Rockchip's library as it lies on a machine. */
export type FoundLibrary =
  | { readonly kind: 'none'; readonly wanted: string }
  | {
      readonly kind: 'found';
      readonly path: string;
      readonly version: string | undefined;
      readonly simulated: boolean;
      /** Why this version is not used, and what helps; undefined where it is. */
      readonly refused: { readonly reason: string; readonly remedy: string } | undefined;
    };

const NAME = 'librkllmrt.so';

/** Looks for the library that the policy's first RKLLM runtime names, else where boards keep it. Never rejects. */
export async function lookForLibrary(
  files: Files,
  policy: Policy | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<FoundLibrary> {
  const runtime = [...(policy?.runtimes.values() ?? [])].find(({ kind }) => kind === 'rkllm');
  const wanted = runtime?.library ?? NAME;
  const path = files.live ? findLibrary(wanted, environment) : underSysroot(files, wanted);
  if (path === undefined) return { kind: 'none', wanted };
  const shown = files.shown(path);
  try {
    const { version, simulated } = await readLibraryVersion(path);
    const choice = chooseProfile(version, runtime?.settings.abi);
    const refused = choice.kind === 'refused' ? { reason: choice.reason, remedy: choice.remedy } : undefined;
    return { kind: 'found', path: shown, version, simulated, refused };
  } catch (error) {
    const refused = { reason: messageOf(error), remedy: `sudo chmod a+r ${shown}` };
    return { kind: 'found', path: shown, version: undefined, simulated: false, refused };
  }
}

const FOLDERS = ['usr/lib', 'usr/local/lib', 'usr/lib/aarch64-linux-gnu', 'lib', 'opt/rkllm/lib'];

function underSysroot({ sysroot }: Files, wanted: string): string | undefined {
  const places = isAbsolute(wanted) ? [join(sysroot, wanted)] : FOLDERS.map((folder) => join(sysroot, folder, wanted));
  return places.find((path) => existsSync(path));
}
