/*
 * What a token of an NPU model costs the gateway: the side that receives a worker's messages and writes OpenAI events,
 * without HTTP. The worker runs the simulator; its own time is not counted. Two figures each: time in which the event
 * loop was at work, and CPU time of the process, which also holds what the kernel takes to put it to sleep and wake it
 * (in a virtual machine many times the work itself).
 *
 *   npx tsx scripts/rkllm-cost.ts [--json]
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
 * As fast as the simulator can, which is what the code itself costs; then as on a very fast and on a usual board,
 * where being woken for each message costs more than all that is done with it. In this order: the first warms up.
 */
const RUNS = [
  { gapMs: 0, tokens: 12_000 },
  { gapMs: 1, tokens: 3000 },
  { gapMs: 30, tokens: 200 },
] as const;

type Cost = {
  readonly gapMs: number;
  readonly tokens: number;
  readonly perToken: Spent;
  /** The same for messages of that size, sent one by one over such a channel and ignored. */
  readonly perBareMessage: Spent;
};

/** Microseconds. */
type Spent = { readonly loop: number; readonly cpu: number };

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-rkllm-cost-'));
  try {
    const costs: Cost[] = [];
    for (const run of RUNS) costs.push(await measure(folder, run));
    if (process.argv.includes('--json')) console.log(JSON.stringify({ costs }));
    else for (const cost of costs) console.log(describeCost(cost));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function describeCost({ gapMs, tokens, perToken, perBareMessage }: Cost): string {
  const show = ({ loop, cpu }: Spent) => `${loop.toFixed(1)} µs of the event loop (${cpu.toFixed(1)} µs CPU)`;
  return `${tokens} tokens ${gapMs} ms apart: ${show(perToken)} per token; a message nobody reads: ${show(perBareMessage)}`;
}

async function measure(folder: string, { gapMs, tokens }: (typeof RUNS)[number]): Promise<Cost> {
  const file = join(folder, 'model.rkllm');
  const facts = { model: 'qwen3-0.6b', contextTokens: 16_384, npuCores: 3, soc: 'rk3588', dtype: 'w8a8' };
  writeFileSync(file, `${formatStandIn(facts)}answer= token\nrepeat=${tokens + 1000}\ndecode_ms=${gapMs}\n`);
  const { connection, stop } = await startWorker(file);
  try {
    await generate(connection, Math.min(500, tokens));
    await systemClock.sleep(SETTLE_MS);
    const spent = startClock();
    await generate(connection, tokens);
    return { gapMs, tokens, perToken: spent(tokens), perBareMessage: await measureBare(gapMs, tokens) };
  } finally {
    await stop();
  }
}

/** Compilers and collectors that a warm-up set going have ended by then; their threads count as the process's own. */
const SETTLE_MS = 3_000;

/** What this process spends from now until it is called, divided by a count. */
function startClock(): (count: number) => Spent {
  const [cpuBefore, loopBefore] = [process.cpuUsage(), performance.eventLoopUtilization()];
  return (count) => {
    const cpu = process.cpuUsage(cpuBefore);
    const { active } = performance.eventLoopUtilization(loopBefore);
    return { loop: (active * 1000) / count, cpu: (cpu.user + cpu.system) / count };
  };
}

/** What Node and the kernel alone take for being woken by a message. */
async function measureBare(gapMs: number, tokens: number): Promise<Spent> {
  const program = `
    const message = { kind: 'deltas', id: 1, deltas: [{ kind: 'content', text: ' token' }] };
    let sent = 0;
    const step = () => {
      process.send(message);
      sent += 1;
      if (sent === ${tokens}) process.disconnect();
      else if (${gapMs} === 0) setImmediate(step);
      else setTimeout(step, ${gapMs});
    };
    process.on('message', step);`;
  const request = { command: process.execPath, args: ['-e', program], environment: {}, ipc: true };
  const child = await spawnChild({ ...request, onLine: () => undefined }, systemClock);
  let spent: ((count: number) => Spent) | undefined;
  child.channel?.onMessage(() => {
    // From the first message on: the start of the program is no part of it.
    spent ??= startClock();
  });
  const closed = new Promise<void>((resolve) => child.channel?.onClose(resolve));
  child.channel?.send({});
  await closed;
  const figures = spent?.(tokens) ?? { loop: Number.NaN, cpu: Number.NaN };
  await child.ended;
  return figures;
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

function generate(connection: RuntimeConnection, tokens: number): Promise<void> {
  const body = { messages: [{ role: 'user', content: 'go' }], stream: true, max_tokens: tokens };
  return new Promise((resolve, reject) => {
    connection.exchange('/v1/chat/completions', JSON.stringify(body), {
      head: () => undefined,
      chunk: () => true,
      end: resolve,
      failed: reject,
    });
  });
}

await main();
