import type { Command } from 'commander';
import { isEnded } from '../core/batch.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { type BatchAnswer, type BatchApi, openBatchApi } from './batch-api.ts';
import { followToEnd } from './batch-follow.ts';
import { parseCount } from './batch-options.ts';
import { registerPruneCommand } from './batch-prune.ts';
import { registerResultsCommand } from './batch-results.ts';
import { registerSubmitCommand } from './batch-submit.ts';
import { BATCH_HEADER, batchRow, describeBatch } from './batch-view.ts';
import { formatTable } from './format-table.ts';
import { addClientOptions, type ClientOptions } from './gateway-options.ts';

type StatusOptions = ClientOptions & { readonly watch?: true };
type ListOptions = ClientOptions & { readonly limit: number };

/** Adds `sluice batch`: requests that a running gateway runs when it is time. */
export function registerBatchCommand(program: Command): void {
  const batch = program.command('batch').description('hand in many requests for the night, and fetch their answers');
  registerSubmitCommand(batch);
  registerStatusCommand(batch);
  registerResultsCommand(batch);
  registerCancelCommand(batch);
  registerListCommand(batch);
  registerPruneCommand(batch);
}

function registerStatusCommand(batch: Command): void {
  const command = batch
    .command('status')
    .description('say how a batch goes, or all that have not ended')
    .argument('[id]', 'id of the batch')
    .option('--watch', 'follow it to its end; ends with 1 unless every line was answered');
  addClientOptions(command).action(async (id: string | undefined, _: unknown, self: Command) => {
    const options: StatusOptions = self.optsWithGlobals();
    const api = await openBatchApi(options);
    const shown = id === undefined ? await openOnes(api) : [await api.batch(id)];
    if (options.watch) await followToEnd(api, onlyOne(shown), options);
    else if (options.json) console.log(JSON.stringify(id === undefined ? shown : shown[0], null, 2));
    else console.log(shown.length === 0 ? NONE_OPEN : shown.map(describe).join('\n'));
  });
}

const NONE_OPEN = 'no batch is waiting or running; "sluice batch list" shows those that have ended';

const openOnes = async (api: BatchApi): Promise<readonly BatchAnswer[]> =>
  (await api.batches()).filter(({ status }) => !isEnded(status)).toReversed();

function onlyOne(batches: readonly BatchAnswer[]): BatchAnswer {
  const [batch] = batches;
  if (batch !== undefined && batches.length === 1) return batch;
  const which = batches.length === 0 ? 'none is open' : `open are ${batches.map(({ id }) => id).join(', ')}`;
  throw new GatewayError('usage', `say which batch to watch: ${which}`);
}

const describe = (batch: BatchAnswer): string => describeBatch(batch, systemClock.nowMs()).join('\n');

function registerCancelCommand(batch: Command): void {
  const command = batch
    .command('cancel')
    .description('end a batch early; what was done until then is kept')
    .argument('<id>', 'id of the batch');
  addClientOptions(command).action(async (id: string, _: unknown, self: Command) => {
    const options: ClientOptions = self.optsWithGlobals();
    const api = await openBatchApi(options);
    const cancelled = await untilEnded(api, await api.cancel(id));
    console.log(options.json ? JSON.stringify(cancelled, null, 2) : describe(cancelled));
  });
}

const LOOK_EVERY_MS = 100;
const ENDED_WITHIN_MS = 10_000;

// Its files are written within moments, unless the disk is full.
async function untilEnded(api: BatchApi, first: BatchAnswer): Promise<BatchAnswer> {
  const untilMs = systemClock.monotonicMs() + ENDED_WITHIN_MS;
  let batch = first;
  while (!isEnded(batch.status) && systemClock.monotonicMs() < untilMs) {
    await systemClock.sleep(LOOK_EVERY_MS);
    batch = await api.batch(first.id);
  }
  return batch;
}

function registerListCommand(batch: Command): void {
  const command = batch
    .command('list')
    .description('list batches, newest first, with the sizes of their files')
    .option('--limit <number>', 'so many at most (default: 20)', parseCount);
  addClientOptions(command).action(async (_: unknown, self: Command) => {
    const options: ClientOptions & Partial<ListOptions> = self.optsWithGlobals();
    await list({ limit: 20, ...options });
  });
}

async function list(options: ListOptions): Promise<void> {
  const api = await openBatchApi(options);
  const batches = await api.batches(options.limit);
  if (options.json) {
    console.log(JSON.stringify(batches, null, 2));
    return;
  }
  const sizes = new Map((await api.files()).map((file) => [file.id, file.bytes]));
  const bytesOf = ({ input_file_id, output_file_id, error_file_id }: BatchAnswer) =>
    [input_file_id, output_file_id, error_file_id].reduce((sum, id) => sum + (sizes.get(id ?? '') ?? 0), 0);
  const nowMs = systemClock.nowMs();
  const rows = batches.map((one) => batchRow(one, bytesOf(one), nowMs));
  console.log(rows.length === 0 ? 'no batches' : formatTable(BATCH_HEADER, rows).join('\n'));
}
