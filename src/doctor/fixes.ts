import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../core/errors.ts';
import { movingGovernors } from './checks/clocks.ts';
import { existingFolder } from './disk.ts';
import type { FindingId } from './finding.ts';
import type { Host } from './host.ts';

/**
 * Something that can be mended without harm: it takes nothing away, and is undone by the next boot (a governor) or by
 * removing an empty folder.
 */
export type Fix = { readonly id: FindingId } & (
  | { readonly kind: 'write'; readonly path: string; readonly value: string; readonly before: string }
  | { readonly kind: 'mkdir'; readonly path: string }
);

/** What `--fix` would do; empty where there is nothing. */
export function planFixes(host: Host): readonly Fix[] {
  const { files, dataDir } = host;
  const governors = movingGovernors(host).map(
    ({ file, id }): Fix => ({
      kind: 'write',
      id,
      path: `/${file}`,
      value: 'performance',
      before: files.text(file) ?? '',
    }),
  );
  const missingData = files.live && !files.exists(dataDir) && files.mayUse(existingFolder(dataDir, files));
  return [...governors, ...(missingData ? [{ kind: 'mkdir', id: 'data-folder', path: dataDir } as const] : [])];
}

/** A fix as the command a person would type. */
export const fixCommand = (fix: Fix): string =>
  fix.kind === 'mkdir' ? `mkdir -p ${fix.path}` : `echo ${fix.value} > ${fix.path}   # now ${fix.before}`;

/** How a fix went; `problem` is undefined where it was done and is seen to have taken. */
export type FixOutcome = { readonly fix: Fix; readonly problem: string | undefined };

/** Does it, and looks again. Never throws. */
export function applyFix(fix: Fix, sysroot: string): FixOutcome {
  const path = join(sysroot, fix.path);
  try {
    if (fix.kind === 'mkdir') {
      mkdirSync(path, { recursive: true });
      return { fix, problem: undefined };
    }
    writeFileSync(path, fix.value);
    const now = readFileSync(path, 'utf8').trim();
    return { fix, problem: now === fix.value ? undefined : `it still says ${now}` };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const denied = code === 'EACCES' || code === 'EPERM';
    return { fix, problem: denied ? 'only root may: run it with sudo' : messageOf(error) };
  }
}
