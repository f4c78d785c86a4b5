import { systemClock } from '../core/clock.ts';
import type { BatchAnswer, BatchApi } from './batch-api.ts';
import { describeBatch, isAllDone } from './batch-view.ts';
import { watchBatch } from './batch-watch.ts';
import { createStatusLine } from './status-line.ts';
import { untilStopped } from './until-stopped.ts';

/**
 * Shows a batch until it ends, then how it ended; sets the exit code to 1 unless every line was answered. Ctrl-C ends
 * the looking, says how to look again and leaves the batch as it is; the exit code is 1 then too, since nothing is known.
 */
export async function followToEnd(
  api: BatchApi,
  first: BatchAnswer,
  { json }: { readonly json?: true },
): Promise<void> {
  const stop = new AbortController();
  void untilStopped().then(() => stop.abort());
  const line = createStatusLine(process.stderr);
  const end = await watchBatch(api, first, { clock: systemClock, line, signal: stop.signal });
  if (end === undefined) {
    process.exitCode = 1;
    console.error(`${first.id} goes on; look again with: sluice batch status ${first.id} --watch`);
    return;
  }
  console.log(json ? JSON.stringify(end, null, 2) : describeBatch(end, systemClock.nowMs()).join('\n'));
  if (!isAllDone(end)) process.exitCode = 1;
}
