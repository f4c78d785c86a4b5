import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeStandIn } from '../../src/boards/stand-in.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { ServiceModel } from '../../src/core/service-model.ts';
import type { GatewayMessage, GatewayQuestion, GatewayReport } from './gateway-messages.ts';

/** A gateway in a process of its own, on a simulated model: what is measured is the gateway, so the model costs nothing. */
export interface MeasuredGateway {
  readonly url: string;
  report(): Promise<GatewayReport>;
  /** Most memory the process has had resident, bytes. */
  peakBytes(): number;
  stop(): Promise<void>;
}

/** Some 15 ms for an answer of 60 tokens. */
const SERVICE: ServiceModel = {
  prefillFixedMs: 2,
  prefillMsPerToken: 0.01,
  prefillContextMs: 0,
  decodeMsPerToken: 0.2,
  decodeContextMs: 0,
  loadMs: 10,
  loadColdMs: undefined,
  unloadMs: 10,
};

/** Starts it and waits until its model is loaded. `queueDepth` requests may wait per class. */
export async function startMeasuredGateway(
  folder: string,
  { queueDepth, writeTimeoutMs }: { readonly queueDepth: number; readonly writeTimeoutMs: number },
): Promise<MeasuredGateway> {
  const policyFile = join(folder, 'policy.json');
  writeFileSync(policyFile, JSON.stringify(policyOf(standIn(folder), { queueDepth, writeTimeoutMs })));
  const program = join(import.meta.dirname, 'gateway-process.ts');
  const child = fork(program, [policyFile, join(folder, 'data')], {
    execArgv: ['--import', 'tsx', '--expose-gc', '--max-semi-space-size=4'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const next = async (): Promise<GatewayMessage> => {
    const ended = exited.then(() => undefined);
    const heard = await Promise.race([once(child, 'message'), ended]);
    if (heard === undefined)
      throw new GatewayError('start_failed', 'the gateway under test has ended; see its words above');
    return heard[0] as GatewayMessage;
  };
  const ask = (question: GatewayQuestion) => child.send(question);
  const first = await next();
  if (first.kind !== 'listening') throw new Error('the gateway reported before it was asked');
  return {
    url: first.url,
    report: async () => {
      const answer = next();
      ask('report');
      return (await answer) as GatewayReport;
    },
    peakBytes: () =>
      Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) * 1024,
    stop: async () => {
      if (child.connected) ask('stop');
      await exited;
    },
  };
}

function standIn(folder: string): string {
  const file = join(folder, 'quick.gguf');
  writeFileSync(
    file,
    writeStandIn({
      board: 'no-board',
      parametersBillion: 1,
      quantization: 'Q4_K_M',
      weightsBytes: 1e9,
      memoryBytes: 1e9,
      contextTokens: 1_000_000,
      service: SERVICE,
      noiseSigma: 0,
      seed: 1,
      drift: undefined,
      thinking: false,
    }),
  );
  return file;
}

function policyOf(
  file: string,
  { queueDepth, writeTimeoutMs }: { readonly queueDepth: number; readonly writeTimeoutMs: number },
): object {
  return {
    version: 1,
    gateway: { host: '127.0.0.1', port: 0, queue_depth: queueDepth, write_timeout: `${writeTimeoutMs}ms` },
    machine: { memory: '8GB', reserve: '0MB' },
    devices: { cpu: { lanes: 1 } },
    runtimes: { sim: { kind: 'simulated', device: 'cpu', settings: { parallel: 1 } } },
    models: { quick: { runtime: 'sim', file, quality: 0.5, keep: 'resident' } },
    classes: { route: { e2e: '5s' }, interactive: { e2e: '30s' }, quality: { e2e: '120s' }, batch: {} },
    clients: [],
    bench: { idle: 'off' },
  };
}
