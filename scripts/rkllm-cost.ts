/*
 * What a token of an NPU model costs the gateway: the side that reads a worker's byte stream and passes the reply on,
 * without HTTP. The worker runs the simulator; its own time is not counted. CPU time of the whole process, and beside it
 * that of being woken alone: as many single bytes, as far apart, over such a stream, to a listener that does nothing.
 * That part is the kernel's and Node's (in a virtual machine many times the work itself), and where tokens are far
 * apart no program on Node can be below it. Rounds of both alternate and medians count, because the machine has other
 * work.
 *
 * The bar is 15 µs per token: of the total where tokens come as fast as they can and where they are 1 ms apart, which is
 * faster than any NPU's; of what the total is above the bare wake-up where they are 30 ms apart, as on a board.
 *
 *   npx tsx scripts/rkllm-cost.ts [--json]       exit code 1 where a bar is missed
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
  { gapMs: 0, tokens: 12_000, rounds: 7, held: 'total' },
  { gapMs: 1, tokens: 3000, rounds: 7, held: 'total' },
  // Long rounds: a run's end, which is no part of a token, costs as much as several wake-ups.
  { gapMs: 30, tokens: 240, rounds: 7, held: 'aboveWaking' },
] as const;
/** What a token may cost, µs: in all, or above being woken, as `held` says. */
const LIMIT_US = 15;

type Held = (typeof RUNS)[number]['held'];

type Cost = {
  readonly gapMs: number;
  readonly tokens: number;
  /** How often the gateway was woken: tokens close together come in one piece. */
  readonly wakeUps: number;
  /** CPU time of this process per token, µs. */
  readonly totalUs: number;
  /** What so many idle wake-ups cost, per token, µs. */
  readonly wakingUs: number;
  /** The median of the rounds' differences: our code, Node's and the kernel's share for longer pieces, and noise. */
  readonly aboveWakingUs: number;
  /** Which of the figures the bar is about, and whether it is kept. */
  readonly held: Held;
  readonly isWithin: boolean;
};

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-rkllm-cost-'));
  try {
    const costs: Cost[] = [];
    for (const run of RUNS) costs.push(await measure(folder, run));
    if (process.argv.includes('--json')) console.log(JSON.stringify({ costs }));
    else for (const cost of costs) console.log(describeCost(cost));
    if (costs.some(({ isWithin }) => !isWithin)) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function describeCost({ gapMs, tokens, wakeUps, totalUs, wakingUs, aboveWakingUs, held, isWithin }: Cost): string {
  const [total, waking, above] = [totalUs, wakingUs, aboveWakingUs].map((us) => us.toFixed(1));
  const verdict = `${held === 'total' ? 'total' : 'difference'} ${isWithin ? 'within' : 'ABOVE'} ${LIMIT_US}`;
  return `${tokens} tokens ${gapMs} ms apart in ${wakeUps} pieces: total ${total} µs CPU per token, being woken ${waking}, difference ${above} (${verdict})`;
}

async function measure(folder: string, { gapMs, tokens, rounds: count, held }: (typeof RUNS)[number]): Promise<Cost> {
  const file = join(folder, 'model.rkllm');
  const facts = { model: 'qwen3-0.6b', contextTokens: 16_384, npuCores: 3, soc: 'rk3588', dtype: 'w8a8' };
  writeFileSync(file, `${formatStandIn(facts)}answer= token\nrepeat=${tokens + 1000}\ndecode_ms=${gapMs}\n`);
  const { connection, stop } = await startWorker(file);
  const rounds: { readonly wakes: number; readonly totalUs: number; readonly wakingUs: number }[] = [];
  try {
    await generate(connection, Math.min(500, tokens));
    await systemClock.sleep(SETTLE_MS);
    while (rounds.length < count) {
      const { cpuUs, tookMs, pieces: wakes } = await generate(connection, tokens);
      const wakingUs = await measureWaking(Math.round(tookMs / wakes), wakes);
      rounds.push({ wakes, totalUs: cpuUs / tokens, wakingUs: wakingUs / tokens });
    }
  } finally {
    await stop();
  }
  const middle = (of: (round: (typeof rounds)[number]) => number) =>
    rounds.map(of).toSorted((a, b) => a - b)[Math.floor(count / 2)] ?? Number.NaN;
  const totalUs = middle((round) => round.totalUs);
  const wakingUs = middle((round) => round.wakingUs);
  const aboveWakingUs = middle((round) => round.totalUs - round.wakingUs);
  const isWithin = (held === 'total' ? totalUs : aboveWakingUs) <= LIMIT_US;
  return { gapMs, tokens, wakeUps: middle(({ wakes }) => wakes), totalUs, wakingUs, aboveWakingUs, held, isWithin };
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
  const connection = adapter.connect(model, endpoint, child.channel);
  await connection.ready(new AbortController().signal);
  const stop = async () => {
    child.signal('SIGTERM');
    await child.ended;
    connection.close();
  };
  return { connection, stop };
}

type Decode = { readonly cpuUs: number; readonly tookMs: number; readonly pieces: number };

/** One answer; what this process spent from its first piece to its end, which is the decode without the way there. */
function generate(connection: RuntimeConnection, tokens: number): Promise<Decode> {
  const body = { messages: [{ role: 'user', content: 'go' }], stream: true, max_tokens: tokens };
  return new Promise((resolve, reject) => {
    let spent: (() => number) | undefined;
    let beganMs = 0;
    let pieces = 0;
    connection.exchange('/v1/chat/completions', JSON.stringify(body), {
      head: () => {
        spent = startClock();
        beganMs = systemClock.monotonicMs();
      },
      chunk: () => {
        pieces += 1;
        return true;
      },
      end: () => resolve({ cpuUs: spent?.() ?? Number.NaN, tookMs: systemClock.monotonicMs() - beganMs, pieces }),
      failed: reject,
    });
  });
}

await main();
