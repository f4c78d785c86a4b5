import type { Command } from 'commander';
import { systemClock } from '../core/clock.ts';
import { formatBytes } from '../core/format.ts';
import { type BatchAnswer, type FileAnswer, openBatchApi } from './batch-api.ts';
import { parseAge } from './batch-options.ts';
import { endOf, timeText } from './batch-view.ts';
import { formatTable } from './format-table.ts';
import { addClientOptions, type ClientOptions } from './gateway-options.ts';

type PruneOptions = ClientOptions & { readonly olderThan: number; readonly dryRun?: true };

/** One batch that goes, with the files that go with it. */
export type Pruned = {
  readonly batch: BatchAnswer;
  /** Its input, where no batch that stays has been made of it too; its results go with the batch itself. */
  readonly input: string | undefined;
  /** Sizes of input and results together. */
  readonly bytes: number;
};

/** Adds `sluice batch prune`: deletes batches that ended some time ago, with their files. */
export function registerPruneCommand(batch: Command): void {
  const command = batch
    .command('prune')
    .description('delete batches that ended some time ago, with their inputs and results')
    .option('--older-than <age>', 'those that ended before this, e.g. 12h, 30d (default: 7d)', parseAge)
    .option('--dry-run', 'say what would be deleted');
  addClientOptions(command).action(async (_: unknown, self: Command) => {
    const options: Partial<PruneOptions> & ClientOptions = self.optsWithGlobals();
    await prune({ olderThan: parseAge('7d'), ...options });
  });
}

async function prune(options: PruneOptions): Promise<void> {
  const api = await openBatchApi(options);
  const nowMs = systemClock.nowMs();
  const pruned = choosePruned(await api.batches(), await api.files(), nowMs - options.olderThan);
  if (!options.dryRun) {
    for (const { batch, input } of pruned) {
      // The batch goes last: what was not deleted when something went wrong is still found through it.
      if (input !== undefined) await api.removeFile(input);
      await api.remove(batch.id);
    }
  }
  const bytes = pruned.reduce((sum, one) => sum + one.bytes, 0);
  if (options.json) {
    const batches = pruned.map((one) => ({ id: one.batch.id, bytes: one.bytes }));
    console.log(JSON.stringify({ dry_run: options.dryRun === true, batches, bytes }, null, 2));
    return;
  }
  for (const line of pruneTable(pruned, nowMs)) console.log(line);
  const what = `${pruned.length} ${pruned.length === 1 ? 'batch' : 'batches'}, ${formatBytes(bytes)} of files`;
  console.log(options.dryRun ? `would delete ${what}` : `deleted ${what}`);
}

/** What goes of all batches and files: those that ended before `beforeMs`, oldest first. */
export function choosePruned(
  batches: readonly BatchAnswer[],
  files: readonly FileAnswer[],
  beforeMs: number,
): readonly Pruned[] {
  const isOld = (batch: BatchAnswer) => (endOf(batch) ?? Number.POSITIVE_INFINITY) < beforeMs;
  const sizes = new Map(files.map((file) => [file.id, file.bytes]));
  const kept = new Set(batches.filter((batch) => !isOld(batch)).map((batch) => batch.input_file_id));
  const sizeOf = (id: string | null | undefined) => sizes.get(id ?? '') ?? 0;
  return batches
    .filter(isOld)
    .toReversed()
    .map((batch) => {
      const id = batch.input_file_id;
      const input = sizes.has(id) && !kept.has(id) ? id : undefined;
      // Two batches of one file: it goes with the first.
      kept.add(id);
      return { batch, input, bytes: sizeOf(input) + sizeOf(batch.output_file_id) + sizeOf(batch.error_file_id) };
    });
}

function pruneTable(pruned: readonly Pruned[], nowMs: number): readonly string[] {
  if (pruned.length === 0) return [];
  const rows = pruned.map(({ batch, bytes }) => [
    batch.id,
    batch.status,
    timeText(endOf(batch) ?? nowMs, nowMs),
    formatBytes(bytes),
  ]);
  return formatTable(['batch', 'status', 'ended', 'files'], rows);
}
