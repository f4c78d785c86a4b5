import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { GatewayError, messageOf } from '../core/errors.ts';
import { readPolicyText } from './load.ts';
import { parsePolicy } from './parse.ts';

/** An edited policy, ready to take the place of the file it was made from. */
export type PolicyReplacement = {
  /** Path of the policy; may be a symbolic link, whose target is then replaced. */
  readonly file: string;
  /** The text the edit was made from. */
  readonly before: string;
  readonly after: string;
  /** Part of the backup's name, e.g. `20261121T171259Z`. */
  readonly stamp: string;
};

/**
 * Replaces a policy file at once: whoever reads it meanwhile sees the old one or the new one, also after a power cut. The
 * old text stays beside it as `<name>.bak-<stamp>`, which is returned. Mode and, where permitted, owner are kept.
 * Throws `invalid_config` where the new text is no valid policy, or the file is no longer what the edit was made from;
 * nothing is changed then.
 */
export async function replacePolicyFile({ file, before, after, stamp }: PolicyReplacement): Promise<string> {
  parsePolicy(after, file);
  const target = await realpath(file);
  if ((await readPolicyText(target)) !== before) {
    throw new GatewayError('invalid_config', `${file} was changed meanwhile, so nothing was written: try again`);
  }
  const { mode, uid, gid } = await stat(target);
  const folder = dirname(target);
  const backup = join(folder, `${basename(target)}.bak-${stamp}`);
  const draft = join(folder, `.${basename(target)}.${process.pid}.new`);
  await write(backup, before, { mode, uid, gid });
  try {
    await write(draft, after, { mode, uid, gid });
    await rename(draft, target);
  } catch (cause) {
    await rm(draft, { force: true });
    await rm(backup, { force: true });
    throw new GatewayError('invalid_config', `${target} could not be replaced: ${messageOf(cause)}`, { cause });
  }
  await syncFolder(folder);
  return backup;
}

type Owned = { readonly mode: number; readonly uid: number; readonly gid: number };

/** A new file that is on the disk when this returns; one of that name must not exist. */
async function write(path: string, text: string, { mode, uid, gid }: Owned): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'wx', mode & 0o777);
    // The mode given to open is cut by the umask.
    await handle.chmod(mode & 0o777);
    // Only root may give a file away; without that right the file belongs to whoever changed it.
    await handle.chown(uid, gid).catch(() => undefined);
    await handle.writeFile(text, 'utf8');
    await handle.sync();
  } finally {
    await handle?.close();
  }
}

// The new name is on the disk only when its folder is.
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
