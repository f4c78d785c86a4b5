import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../src/core/clock.ts';
import type { ModelPolicy } from '../../src/core/policy.ts';
import type { EngineClient } from '../../src/transport/engine-client.ts';

/** Where a model's slot is saved while its child is gone. */
export type SavedSlot = { readonly folder: string; readonly file: string };

/** A slot is as large as its keys and values: 1 GB at 50 MB/s, which is more than a board's context has. */
const SAVE_LIMIT_MS = 20_000;
/** With several slots nobody can say which one an answer was in. */
const SLOT = 0;

/**
 * The file of a model's slot. Its name holds a digest of whatever must be the same for the saved state to fit: file,
 * context and cache types. Undefined where the child has several slots or the model's file is not there.
 */
export function savedSlot(dataDir: string, { id, file, settings }: ModelPolicy): SavedSlot | undefined {
  if ((settings.parallel ?? 1) !== 1) return undefined;
  const state = statSync(file, { throwIfNoEntry: false });
  if (state === undefined) return undefined;
  const { context, cacheTypeK, cacheTypeV, flashAttention } = settings;
  const facts = [file, state.size, state.mtimeMs, context, cacheTypeK, cacheTypeV, flashAttention];
  const digest = createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 12);
  return { folder: join(dataDir, 'slots'), file: `${id.replace(/[^\w.-]/g, '_')}-${digest}.slot` };
}

/** Saves the child's slot. Never rejects: what cannot be saved is computed again. */
export async function saveSlot(client: EngineClient, { file }: SavedSlot, clock: Clock): Promise<void> {
  const abort = new AbortController();
  const cancel = clock.after(SAVE_LIMIT_MS, () => abort.abort());
  try {
    await client.json('POST', `/slots/${SLOT}?action=save`, { filename: file }, abort.signal);
  } catch {
    // Too slow, or gone: the process is stopped all the same.
  } finally {
    cancel();
  }
}

/** Gives a child that has just loaded the slot that was saved, if any; the file is used once. Never rejects but for the signal. */
export async function restoreSlot(
  client: EngineClient,
  { folder, file }: SavedSlot,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const path = join(folder, file);
  if (!existsSync(path)) return;
  const abort = new AbortController();
  const onAbort = () => abort.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const cancel = clock.after(SAVE_LIMIT_MS, () => abort.abort());
  try {
    await client.json('POST', `/slots/${SLOT}?action=restore`, { filename: file }, abort.signal);
  } catch {
    signal.throwIfAborted();
  } finally {
    cancel();
    signal.removeEventListener('abort', onAbort);
    await rm(path, { force: true });
  }
}
