/*
 * What a token of an NPU model costs the gateway: the side that reads a worker's byte stream and passes the reply on,
 * without HTTP. The worker runs the simulator; its own time is not counted. CPU time of the process, and beside it that
 * of being woken: as many single bytes, as far apart, over such a stream, to a listener that does nothing. That part is
 * the machine's (in a virtual machine many times the work itself). Rounds of both alternate and the median of each
 * counts, because the machine has other work. The third figure is the time from our first look at a piece until it was
 * passed on: our code alone.
 *
 *   npx tsx scripts/rkllm-cost.ts [--json]       exit code 1 where our code is above the limit
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRkllmAdapter } from '../runtimes/rkllm/adapter.ts';
import { formatStandIn } from '../runtimes/rkllm/files/model-file.ts';
import { buildSimulator } from '../runtimes/rkllm/simulator/build-simulator.ts';
import { systemClock } from '../src/core/clock.ts';
import { modelId, runtimeId } from '../src/core/ids.ts';
import type { ModelPolicy, RuntimePolicy } from '../src/core/policy.ts';
import type { RuntimeConnection } from '../src/core/runtime.ts';
import { spawnChild } from '../src/supervise/spawn-child.ts';

/**
 * As fast as the simulator can, which is what the code itself costs; then as on a very fast and on a usual board. In
 * this order: the first warms up.
 */
const RUNS = [
  { gapMs: 0, tokens: 12_000 },
  { gapMs: 1, tokens: 3000 },
  { gapMs: 30, tokens: 150 },
] as const;
const ROUNDS = 3;
/**
 * What our code may take per token, µs. Held against what was measured of it alone: the difference of the two CPU times
 * moves by more than this from run to run where tokens are far apart.
 */
const LIMIT_US = 15;

type Cost = {
  readonly gapMs: number;
  readonly tokens: number;
  /** How often the gateway was woken: tokens close together come in one piece. */
  readonly wakeUps: number;
  /** CPU time of this process per token, µs. */
  readonly perTokenUs: number;
  /** What so many idle wake-ups cost, per token, µs. */
  readonly wakingUs: number;
  /** The difference: our code, Node's and the kernel's share for longer pieces, and the noise of both. */
  readonly oursUs: number;
  /** What our own code took, from the first look at a piece until it was passed on, per token, µs. */
  readonly ownCodeUs: number;
};

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-rkllm-cost-'));
  try {
    const costs: Cost[] = [];
    for (const run of RUNS) costs.push(await measure(folder, run));
    if (process.argv.includes('--json')) console.log(JSON.stringify({ costs }));
    else for (const cost of costs) console.log(describeCost(cost));
    if (costs.some(({ ownCodeUs }) => ownCodeUs > LIMIT_US)) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function describeCost({ gapMs, tokens, wakeUps, perTokenUs, wakingUs, oursUs, ownCodeUs }: Cost): string {
  const [all, waking, ours, own] = [perTokenUs, wakingUs, oursUs, ownCodeUs].map((us) => us.toFixed(1));
  return `${tokens} tokens ${gapMs} ms apart in ${wakeUps} pieces: ${all} µs CPU per token, being woken ${waking}, difference ${ours}, our code ${own} (${ownCodeUs <= LIMIT_US ? 'within' : 'ABOVE'} ${LIMIT_US})`;
}

async function measure(folder: string, { gapMs, tokens }: (typeof RUNS)[number]): Promise<Cost> {
  const file = join(folder, 'model.rkllm');
  const facts = { model: 'qwen3-0.6b', contextTokens: 16_384, npuCores: 3, soc: 'rk3588', dtype: 'w8a8' };
  writeFileSync(file, `${formatStandIn(facts)}answer= token\nrepeat=${tokens + 1000}\ndecode_ms=${gapMs}\n`);
  const { connection, stop, wakeUps, handledUs } = await startWorker(file);
  const rounds: { readonly wakes: number; readonly run: number; readonly own: number; readonly idle: number }[] = [];
  try {
    await generate(connection, Math.min(500, tokens));
    await systemClock.sleep(SETTLE_MS);
    while (rounds.length < ROUNDS) {
      const [wakesBefore, handledBefore] = [wakeUps(), handledUs()];
      const { cpuUs: run, tookMs } = await generate(connection, tokens);
      const wakes = wakeUps() - wakesBefore;
      const own = handledUs() - handledBefore;
      rounds.push({ wakes, run, own, idle: await measureWaking(Math.round(tookMs / wakes), wakes) });
    }
  } finally {
    await stop();
  }
  const middle = (of: (round: (typeof rounds)[number]) => number) =>
    rounds.map(of).toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN;
  const [perTokenUs, wakingUs] = [middle(({ run }) => run) / tokens, middle(({ idle }) => idle) / tokens];
  const [oursUs, ownCodeUs] = [perTokenUs - wakingUs, middle(({ own }) => own) / tokens];
  return { gapMs, tokens, wakeUps: middle(({ wakes }) => wakes), perTokenUs, wakingUs, oursUs, ownCodeUs };
}

/** Compilers and collectors that a warm-up set going have ended by then; their threads count as the process's own. */
const SETTLE_MS = 3_000;

/** CPU time this process spends from now until it is asked, µs. */
function startClock(): () => number {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
}

/** CPU time, µs, of being woken so many times, so far apart, by a byte that nobody looks at. */
async function measureWaking(gapMs: number, count: number): Promise<number> {
  const program = `
    const { writeSync } = require('node:fs');
    let sent = 0;
    const step = () => {
      writeSync(4, 'x');
      sent += 1;
      if (sent === ${count}) process.disconnect();
      else if (${gapMs} === 0) setImmediate(step);
      else setTimeout(step, ${gapMs});
    };
    process.once('message', step);`;
  const request = { command: process.execPath, args: ['-e', program], environment: {}, ipc: true, byteStream: true };
  const child = await spawnChild({ ...request, onLine: () => undefined }, systemClock);
  child.channel?.onBytes(() => undefined);
  // The start of the program is no part of it.
  await systemClock.sleep(SETTLE_MS / 2);
  const spent = startClock();
  const closed = new Promise<void>((resolve) => child.channel?.onClose(resolve));
  child.channel?.send({});
  await closed;
  const cpuUs = spent();
  await child.ended;
  return cpuUs;
}

async function startWorker(file: string) {
  const runtime: RuntimePolicy = {
    id: runtimeId('npu'),
    kind: 'rkllm',
    device: 'npu',
    binary: undefined,
    benchBinary: undefined,
    library: await buildSimulator('1.3.0'),
    settings: {},
  };
  const model: ModelPolicy = {
    id: modelId('measured'),
    runtime: runtime.id,
    file,
    aliases: [],
    quality: 0.5,
    keep: { kind: 'never' },
    classes: undefined,
    settings: {},
    sampling: {},
    enabled: true,
    capabilities: {},
  };
  const adapter = createRkllmAdapter({ clock: systemClock });
  const endpoint = { port: 0, apiKey: '' };
  const plan = await adapter.launch(model, runtime, endpoint);
  const inherited = Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const environment = { ...Object.fromEntries(inherited), ...plan.environment };
  const child = await spawnChild({ ...plan, environment, onLine: () => undefined }, systemClock);
  let wakeUps = 0;
  let handledMs = 0;
  let begunMs = 0;
  // Listeners are called in their order: ours stands between these two.
  child.channel?.onBytes(() => {
    wakeUps += 1;
    begunMs = systemClock.monotonicMs();
  });
  const connection = adapter.connect(model, endpoint, child.channel);
  child.channel?.onBytes(() => {
    handledMs += systemClock.monotonicMs() - begunMs;
  });
  await connection.ready(new AbortController().signal);
  const stop = async () => {
    child.signal('SIGTERM');
    await child.ended;
    connection.close();
  };
  return { connection, stop, wakeUps: () => wakeUps, handledUs: () => handledMs * 1000 };
}

/** One answer; what this process spent from its first piece to its end, which is the decode without the way there. */
function generate(connection: RuntimeConnection, tokens: number): Promise<{ cpuUs: number; tookMs: number }> {
  const body = { messages: [{ role: 'user', content: 'go' }], stream: true, max_tokens: tokens };
  return new Promise((resolve, reject) => {
    let spent: (() => number) | undefined;
    let beganMs = 0;
    connection.exchange('/v1/chat/completions', JSON.stringify(body), {
      head: () => {
        spent = startClock();
        beganMs = systemClock.monotonicMs();
      },
      chunk: () => true,
      end: () => resolve({ cpuUs: spent?.() ?? Number.NaN, tookMs: systemClock.monotonicMs() - beganMs }),
      failed: reject,
    });
  });
}

await main();
