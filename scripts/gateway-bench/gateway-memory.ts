import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chatBody } from './check-target.ts';
import { runLoad } from './load-run.ts';
import { residentBytes } from './process-figures.ts';
import { type Bench, startGatewayTarget } from './targets.ts';

/** Resident memory of the gateway's own process (its children not counted) after so many requests. */
export type MemoryFigures = { readonly points: readonly { readonly requests: number; readonly residentMb: number }[] };

const STEP = 5000;

/**
 * Sends a fresh gateway requests in steps of 5,000, half whole replies and half streams, from 16 clients, and reads
 * its resident memory after each step. `quick` stops at 10,000; else it goes on to 60,000, where growth would show.
 */
export async function measureMemory(bench: Bench, quick: boolean): Promise<MemoryFigures> {
  const { child, target } = await startGatewayTarget(bench, 'memory');
  const bodies = [chatBody(), chatBody({ stream: true, user: 'one-write' })];
  const files = bodies.map((_, index) => join(bench.folder, `memory-${index}.json`));
  await Promise.all(files.map((file, index) => writeFile(file, bodies[index] ?? '')));
  const points: { requests: number; residentMb: number }[] = [];
  for (let requests = STEP; requests <= (quick ? 2 : 12) * STEP; requests += STEP) {
    for (const bodyFile of files) {
      await runLoad(bench, target, { connections: 16, requests: STEP / 2, warmup: 0, bodyFile });
    }
    points.push({ requests, residentMb: residentBytes(target.pid) / 1e6 });
  }
  await bench.children.stop(child);
  return { points };
}
