import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { request } from 'undici';
import { stringify } from 'yaml';
import { GatewayError } from '../../src/core/errors.ts';
import { packageRoot } from '../../src/core/package-root.ts';
import { type TierId, writeTier } from '../../src/demo/tiers.ts';
import { freePort } from '../../src/supervise/free-port.ts';
import { untilAnswering } from './children.ts';
import { KEY_ENV } from './gateway-files.ts';
import { childPids, commandLine, environmentOf } from './process-figures.ts';
import { type Bench, serveGateway, type Target } from './targets.ts';

/** Cold requests, one figure per round: from nothing running to the first token's whole reply. */
export type ModelLoadFigures = {
  readonly model: string;
  readonly rawMs: readonly number[];
  readonly gatewayMs: readonly number[];
};

const MODEL: TierId = 'demo-27b';
const CHILD_GONE_MS = 30_000;

/**
 * Loads a demo model on the real llama-server, by hand and through the gateway, in turn. By hand: start the program
 * with the very command line and environment of the gateway's child, ask /health every 2 ms until it is ready, send the
 * request. Through the gateway: send the request while nothing is loaded. The same reply ends both.
 */
export async function measureModelLoad(
  bench: Bench,
  rounds: number,
  onProgress: (line: string) => void,
): Promise<ModelLoadFigures> {
  const { child, target } = await startColdGateway(bench);
  const command = await learnCommand(bench, target);
  const rawMs: number[] = [];
  const gatewayMs: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    onProgress(`load: round ${round} of ${rounds}`);
    rawMs.push(await loadByHand(bench, command));
    gatewayMs.push(await timeRequest(bench, target));
    await untilChildGone(bench, target);
  }
  await bench.children.stop(child);
  return { model: MODEL, rawMs, gatewayMs };
}

async function startColdGateway(bench: Bench) {
  const folder = join(bench.folder, 'model-load');
  await mkdir(folder);
  const file = join(folder, `${MODEL}.gguf`);
  await writeTier(MODEL, file);
  const policyFile = join(folder, 'policy.yaml');
  await writeFile(policyFile, loadPolicy(await findLlamaServer(bench), file));
  return serveGateway(bench, { name: 'load-gateway', policyFile, dataDir: join(folder, 'data') });
}

const loadPolicy = (binary: string, file: string): string =>
  stringify({
    version: 1,
    runtimes: {
      llama: { kind: 'llama-server', device: 'cpu', binary, settings: { context: 2048, parallel: 1, jinja: true } },
    },
    models: { [MODEL]: { runtime: 'llama', file, quality: 0.8, keep: 'never' } },
    clients: [{ name: 'bench', key_env: KEY_ENV }],
  });

async function findLlamaServer({ signal }: Bench): Promise<string> {
  const script = join(packageRoot(), 'scripts/install-llama-cpp');
  const found = await execa(script, ['--json'], { reject: false, cancelSignal: signal });
  if (found.failed) throw new GatewayError('runtime_missing', `scripts/install-llama-cpp failed: ${found.stderr}`);
  return (JSON.parse(found.stdout) as { readonly server: string }).server;
}

type LaunchCommand = { readonly words: readonly string[]; readonly apiKey: string | undefined };

/** One cold request that is not counted, during which the child's own command line is read off. */
async function learnCommand(bench: Bench, target: Target): Promise<LaunchCommand> {
  const reply = timeRequest(bench, target);
  let ended = false;
  const end = reply.finally(() => {
    ended = true;
  });
  let command: LaunchCommand | undefined;
  while (!ended) {
    const [pid] = childPids(target.pid, 'llama-server');
    const words = pid === undefined ? [] : commandLine(pid);
    // A launcher (taskset, setpriv) shows its own name until it has become the program.
    if (pid !== undefined && words[0]?.endsWith('llama-server') === true) {
      command = { words, apiKey: environmentOf(pid, 'LLAMA_API_KEY') };
    }
    await bench.clock.sleep(2);
  }
  await end;
  await untilChildGone(bench, target);
  if (command === undefined) throw new GatewayError('start_failed', 'no llama-server child of the gateway was seen');
  return command;
}

async function untilChildGone({ clock }: Bench, target: Target): Promise<void> {
  const startMs = clock.monotonicMs();
  while (childPids(target.pid, 'llama-server').length > 0) {
    if (clock.monotonicMs() - startMs > CHILD_GONE_MS) {
      throw new GatewayError(
        'timeout',
        `the gateway still holds a "keep: never" model ${CHILD_GONE_MS} ms after its use`,
      );
    }
    await clock.sleep(10);
  }
}

async function loadByHand(bench: Bench, { words, apiKey }: LaunchCommand): Promise<number> {
  const port = await freePort();
  const [command = '', ...args] = words;
  const portAt = args.indexOf('--port') + 1;
  if (portAt === 0) throw new GatewayError('start_failed', `no --port in the child's command line: ${words.join(' ')}`);
  const environment: Record<string, string> = apiKey === undefined ? {} : { LLAMA_API_KEY: apiKey };
  const startMs = bench.clock.monotonicMs();
  const child = bench.children.start({
    name: 'llama-server',
    command,
    args: args.with(portAt, String(port)),
    environment,
  });
  await untilAnswering(child, `http://127.0.0.1:${port}/health`, bench.clock, 120_000);
  const keyAt = args.indexOf('--api-key') + 1;
  const key = apiKey ?? (keyAt > 0 ? args[keyAt] : undefined);
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  await timeRequest(bench, { name: 'direct', port, pid: child.pid, headers });
  const elapsedMs = bench.clock.monotonicMs() - startMs;
  await bench.children.stop(child);
  return elapsedMs;
}

async function timeRequest({ clock }: Bench, target: Target): Promise<number> {
  const startMs = clock.monotonicMs();
  const body = JSON.stringify({ model: MODEL, max_tokens: 1, messages: [{ role: 'user', content: 'Who are you?' }] });
  const headers = { 'content-type': 'application/json', ...target.headers };
  const url = `http://127.0.0.1:${target.port}/v1/chat/completions`;
  const reply = await request(url, { method: 'POST', headers, body, headersTimeout: 120_000 });
  const text = await reply.body.text();
  if (reply.statusCode !== 200) {
    throw new GatewayError('runtime_failed', `${target.name} answered ${reply.statusCode} to a cold request: ${text}`);
  }
  return clock.monotonicMs() - startMs;
}
