import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildSimulator } from '../../runtimes/rkllm/simulator/build-simulator.ts';
import { isIdle, type Parsed, postChat } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';
import { writeStandIn } from '../runtimes/rkllm/npu-bed.ts';

// A thousand requests at two NPU models of which one in ten is left by its client and some kill or hang the worker.
// Time limits and back-off run twenty times faster than in life; the processes are real, and the gateway is one of its
// own, so that its memory is nobody else's.

const REQUESTS = 1000;
const CLIENTS = 8;
const HURRY = 20;
/** By then code is compiled, pools are filled and both models have been replaced a few times. */
const WARM = 400;
/**
 * After a collection the heap was 0.55 to 0.70 MiB larger in eight runs, as logs fill to their bounds, and the resident
 * memory, which also holds what the allocator has not given back, had moved by -26 to 6.5 MiB; by 10.8 once beside the
 * whole suite. A request that kept its prompt or its reply alive would show as more than the first bound; the second
 * catches what leaks outside of the heap, at 20 KB a request and more.
 */
const RSS_NOISE_BYTES = 12 * 2 ** 20;
const HEAP_NOISE_BYTES = 2 * 2 ** 20;

type Figures = { readonly records: number; readonly rssBytes: number; readonly heapBytes: number };

let gateway: Awaited<ReturnType<typeof startProcess>>;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-chaos-'));
  const model = (name: string) => ({
    runtime: 'npu',
    file: writeStandIn(join(folder, `${name}.rkllm`), { decode_ms: 0.5, answer: 'some| words| to| say|.', repeat: 4 }),
    quality: 0.6,
    keep: 'resident',
  });
  gateway = await startProcess({
    version: 1,
    gateway: { host: '127.0.0.1', port: 0 },
    machine: { memory: '12GB', reserve: '0MB' },
    devices: { npu: { lanes: 1 } },
    runtimes: { npu: { kind: 'rkllm', device: 'npu', library: await buildSimulator('1.3.0') } },
    models: { first: model('first'), second: model('second') },
    classes: { interactive: { min_quality: 0, e2e: '1h', ttft: '1h' } },
    clients: [],
  });
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function startProcess(policy: object) {
  const policyFile = join(folder, 'policy.yaml');
  writeFileSync(policyFile, JSON.stringify(policy));
  const program = join(import.meta.dirname, '../fixtures/children/hurried-gateway.ts');
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const child = fork(program, [policyFile, join(folder, 'data'), String(HURRY)], {
    execArgv: ['--expose-gc', '--import', loader],
  });
  const told = async (): Promise<Parsed> => (await once(child, 'message'))[0];
  const { url } = await told();
  return {
    pid: child.pid as number,
    url: url as string,
    json: async (path: string): Promise<Parsed> => (await fetch(`${url}${path}`)).json(),
    figures: (): Promise<Figures> => {
      child.send('figures');
      return told();
    },
    stop: async () => {
      if (!child.connected) return;
      child.send('stop');
      await once(child, 'exit');
    },
  };
}

type Fate = 'answered' | 'failed' | 'left';

/** A small generator of its own, so that a failing run can be had again. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function mischief(roll: number): string {
  if (roll < 0.008) return '[[sim:segv@3]]';
  if (roll < 0.014) return '[[sim:abort@0]]';
  if (roll < 0.018) return '[[sim:ill@1]]';
  if (roll < 0.024) return '[[sim:hang@2]]';
  if (roll < 0.05) return '[[sim:error@1]]';
  return '';
}

async function one(number: number, random: () => number): Promise<Fate> {
  const abort = new AbortController();
  const leaves = random() < 0.1;
  const stream = random() < 0.5;
  const content = `request ${number} ${mischief(random())}`;
  const body = JSON.stringify({ model: 'auto', stream, messages: [{ role: 'user', content }] });
  try {
    const init = { method: 'POST', body, signal: abort.signal };
    if (leaves && random() < 0.5) setImmediate(() => abort.abort());
    const response = await fetch(`${gateway.url}/v1/chat/completions`, init);
    if (leaves) abort.abort();
    const text = await response.text();
    if (response.status !== 200) return JSON.parse(text).error.message.length > 0 ? 'failed' : 'answered';
    // A stream that broke off must say so in an error event; anything else must be complete.
    if (/"error":\{/.test(text)) return 'failed';
    expect(text).toContain(stream ? 'data: [DONE]' : '"finish_reason":"stop"');
    return 'answered';
  } catch (error) {
    if (abort.signal.aborted) return 'left';
    throw error;
  }
}

/** Our worker processes, by the model they serve. */
function workers(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        const isOurs = new RegExp(`^PPid:\\t${gateway.pid}$`, 'm').test(status) && !/^State:\s+Z/m.test(status);
        return isOurs && args.some((arg) => arg.endsWith('rkllm/worker.ts')) ? [args.at(-2) ?? ''] : [];
      } catch {
        // Gone between the two looks.
        return [];
      }
    });
}

describe('a thousand requests with aborts, crashes and hangs', () => {
  it('lose none without an error, leave no worker or memory behind, and free the lane', async ({ annotate }) => {
    const random = dice(20261120);
    const fates: Fate[] = [];
    let next = 0;
    const client = async (upTo: number) => {
      while (next < upTo) {
        const number = next;
        next += 1;
        fates.push(await one(number, random));
      }
    };
    const round = async (upTo: number) => {
      await Promise.all(Array.from({ length: CLIENTS }, () => client(upTo)));
      await until('every lane is empty', async () => isIdle(await gateway.json('/router/status')));
      return gateway.figures();
    };
    const warm = await round(WARM);
    const end = await round(REQUESTS);
    expect(fates).toHaveLength(REQUESTS);
    const count = (fate: Fate) => fates.filter((each) => each === fate).length;
    expect(count('answered')).toBeGreaterThan(REQUESTS * 0.7);
    expect(count('left')).toBeGreaterThan(REQUESTS * 0.05);
    const restarts = (await gateway.json('/router/models')).models.map((row: { restarts: number }) => row.restarts);
    expect(Math.max(...restarts)).toBeGreaterThan(2);
    // Every request that was answered or failed has its record; one that left before it was read may have none.
    expect(end.records).toBeGreaterThanOrEqual(count('answered') + count('failed'));
    expect(new Set(workers()).size).toBe(workers().length);
    const [rssMib, heapMib] = [end.rssBytes - warm.rssBytes, end.heapBytes - warm.heapBytes].map((n) => n / 2 ** 20);
    await annotate(`RSS moved by ${rssMib?.toFixed(1)} MiB, the heap by ${heapMib?.toFixed(2)}`);
    expect(end.rssBytes - warm.rssBytes).toBeLessThan(RSS_NOISE_BYTES);
    expect(end.heapBytes - warm.heapBytes).toBeLessThan(HEAP_NOISE_BYTES);
    const body = { model: 'auto', messages: [{ role: 'user', content: 'well?' }] };
    expect((await postChat(gateway.url, body)).status).toBe(200);
    await gateway.stop();
    expect(workers()).toEqual([]);
  }, 400_000);
});
