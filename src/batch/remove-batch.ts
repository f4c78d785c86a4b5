import { isEnded, type JobQueue } from '../core/batch.ts';
import { GatewayError } from '../core/errors.ts';
import type { BatchTable } from '../store/batch-table.ts';
import type { Batches } from './batches.ts';
import type { Files } from './files.ts';

/** What deleting a batch needs. */
export type RemovalParts = {
  readonly batches: Pick<Batches, 'find'>;
  readonly files: Pick<Files, 'remove'>;
  readonly table: Pick<BatchTable, 'file' | 'deleteBatch'>;
  readonly queue: Pick<JobQueue, 'forget'>;
};

/**
 * Deletes a batch that has ended and the files it wrote; its input stays, because other batches may be made of it.
 * Rejects with `not_found`, or `invalid_request` with status 409 while the batch has not ended.
 */
export async function removeBatch(
  { batches, files, table, queue }: RemovalParts,
  client: string,
  id: string,
): Promise<void> {
  const batch = batches.find(client, id);
  if (!isEnded(batch.status)) {
    throw new GatewayError('invalid_request', `${id} is ${batch.status}: cancel it first`, {
      status: 409,
      shouldRetry: false,
    });
  }
  // The batch goes last: until then its files can be found through it.
  await queue.forget(id);
  for (const file of [batch.outputFile, batch.errorFile]) {
    if (file !== undefined && table.file(file) !== undefined) await files.remove(client, file);
  }
  table.deleteBatch(id);
}
