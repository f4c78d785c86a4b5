import { stat } from 'node:fs/promises';

/** What tells one state of a file from another without reading it. */
export type FileStamp = { readonly bytes: number; readonly modifiedAtMs: number };

/** Size and time of the last change of a file; undefined where there is none that can be looked at. */
export async function fileStamp(path: string): Promise<FileStamp | undefined> {
  try {
    const found = await stat(path);
    return { bytes: found.size, modifiedAtMs: found.mtimeMs };
  } catch {
    // Gone or not readable: whoever starts the model says so with a remedy.
    return undefined;
  }
}
