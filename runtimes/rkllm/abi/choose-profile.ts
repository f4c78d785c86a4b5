import type { AbiProfile } from './structs.ts';

/** The interface to call a library with, or why it is not called at all. */
export type ProfileChoice =
  | { readonly kind: 'profile'; readonly profile: AbiProfile }
  | { readonly kind: 'refused'; readonly reason: string; readonly remedy: string };

const UPGRADE = 'install librkllmrt 1.2.3 or 1.3.x from airockchip/rknn-llm; it also runs models of older toolkits';

/**
 * Chooses the binary interface by the version found in the library's file. A wrong guess corrupts memory, so what is
 * not known is refused; `override` is the operator's word that an unknown version is laid out like a known one. It
 * does not help versions that are known to be laid out differently.
 */
export function chooseProfile(version: string | undefined, override: AbiProfile | undefined): ProfileChoice {
  const parts = version === undefined ? undefined : /^(\d+)\.(\d+)\.(\d+)(\w*)/.exec(version);
  if (parts !== null && parts !== undefined) {
    const [major, minor, patch] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
    const beta = /^b/.test(parts[4] ?? '');
    const old = major < 1 || (major === 1 && (minor < 2 || (minor === 2 && (patch < 1 || (patch === 1 && beta)))));
    if (old) return refused(`librkllmrt ${version} is too old: its binary interface is another one`, UPGRADE);
    if (major === 1 && minor === 2 && patch <= 3) return { kind: 'profile', profile: '1.2' };
    if (major === 1 && minor === 3) return { kind: 'profile', profile: '1.3' };
  }
  if (override !== undefined) return { kind: 'profile', profile: override };
  const what =
    version === undefined ? 'holds no version that we recognise' : `is version ${version}, which is not known`;
  return refused(
    `the library ${what}, so its binary interface is not known and a wrong guess would corrupt memory`,
    'use 1.2.1 to 1.2.3 or 1.3.x, or set settings.abi to 1.2 or 1.3 if you are sure that it is laid out like that',
  );
}

const refused = (reason: string, remedy: string): ProfileChoice => ({ kind: 'refused', reason, remedy });
