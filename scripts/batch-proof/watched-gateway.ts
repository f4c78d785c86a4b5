import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeStandIn } from '../../src/boards/stand-in.ts';

/** What a watched gateway is asked; `report-collected` collects garbage first. */
export type WatchQuestion = 'report' | 'report-collected' | 'stop';

/** What it says. */
export type WatchMessage = { readonly kind: 'listening'; readonly url: string } | WatchReport;

/** Memory now, bytes, and for how long nothing else had a turn in the event loop since the last report, ms. */
export type WatchReport = {
  readonly kind: 'report';
  readonly rss: number;
  readonly heapUsed: number;
  readonly loop: { readonly maxMs: number; readonly p99Ms: number };
  readonly notices: readonly string[];
};

/** A gateway whose memory and event loop are watched, on a simulated model, which needs next to nothing of the machine. */
export type WatchedGateway = {
  readonly url: string;
  readonly ask: (question: 'report' | 'report-collected') => Promise<WatchReport>;
  /** Most memory resident since the last call, bytes. */
  readonly peakBytes: () => number;
  readonly stop: () => Promise<void>;
};

/** Starts it in `folder`; each item takes the model some `itemMs`. */
export async function startWatched(folder: string, itemMs: number): Promise<WatchedGateway> {
  const policyFile = join(folder, 'policy.json');
  writeFileSync(policyFile, JSON.stringify(policyOf(folder, itemMs)));
  const child = fork(join(import.meta.dirname, 'watched-process.ts'), [policyFile, join(folder, 'data')], {
    // The limits with which `sluice serve` starts.
    execArgv: ['--import', 'tsx', '--expose-gc', '--max-old-space-size=256', '--max-semi-space-size=4'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const next = async (): Promise<WatchMessage> => {
    const heard = await Promise.race([once(child, 'message'), exited.then(() => undefined)]);
    if (heard === undefined) throw new Error('the gateway under test has ended; see its words above');
    return heard[0] as WatchMessage;
  };
  const first = await next();
  if (first.kind !== 'listening') throw new Error('the gateway reported before it was asked');
  return {
    url: first.url,
    ask: async (question) => {
      const answer = next();
      child.send(question);
      return (await answer) as WatchReport;
    },
    peakBytes: () => {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      // Begins the next peak at what is resident now (proc_pid_clear_refs(5)).
      writeFileSync(`/proc/${child.pid}/clear_refs`, '5');
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
    },
    stop: async () => {
      if (child.connected) child.send('stop');
      await exited;
    },
  };
}

function policyOf(folder: string, itemMs: number): object {
  const models = { large: 0.8, small: 0.5 };
  const entry = (id: string, quality: number) => {
    const file = join(folder, `${id}.gguf`);
    const slowness = id === 'large' ? 1 : 0.5;
    writeFileSync(file, standIn((itemMs * slowness) / TOKENS));
    return { runtime: 'sim', file, quality, keep: 'resident' };
  };
  return {
    version: 1,
    gateway: { host: '127.0.0.1', port: 0 },
    machine: { memory: '8GB', reserve: '0MB' },
    devices: { cpu: { lanes: 1 } },
    runtimes: { sim: { kind: 'simulated', device: 'cpu', settings: { parallel: 1 } } },
    models: Object.fromEntries(Object.entries(models).map(([id, quality]) => [id, entry(id, quality)])),
    classes: { route: {}, interactive: {}, quality: {}, batch: {} },
    clients: [],
    bench: { idle: 'off' },
    batch: { load_max: 1 },
  };
}

/** Tokens of an answer. */
export const TOKENS = 20;

const standIn = (decodeMsPerToken: number): string =>
  writeStandIn({
    ...{ board: 'no-board', parametersBillion: 1, quantization: 'Q4_K_M', weightsBytes: 1e9, memoryBytes: 1e9 },
    ...{ contextTokens: 100_000, noiseSigma: 0, seed: 1, drift: undefined, thinking: false },
    service: {
      ...{ prefillFixedMs: 1, prefillMsPerToken: 0.001, prefillContextMs: 0, decodeMsPerToken, decodeContextMs: 0 },
      ...{ loadMs: 10, loadColdMs: undefined, unloadMs: 10 },
    },
  });
