import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Clock } from '../../src/core/clock.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { packageRoot } from '../../src/core/package-root.ts';
import { freePort } from '../../src/supervise/free-port.ts';
import type { TargetName } from './arguments.ts';
import { type Child, type Children, untilAnswering } from './children.ts';
import { KEY_ENV, writeGatewayFiles } from './gateway-files.ts';
import type { Programs } from './programs.ts';

/** A running server that answers chat completions. */
export type Target = {
  readonly name: TargetName;
  readonly port: number;
  /** Process whose CPU and memory count. */
  readonly pid: number;
  readonly headers: Readonly<Record<string, string>>;
};

/** What starting a server needs. */
export type Bench = {
  readonly folder: string;
  readonly children: Children;
  readonly programs: Programs;
  readonly clock: Clock;
  /** Aborts on Ctrl-C; every program that is run to its end takes it. */
  readonly signal: AbortSignal;
};

/** A started gateway with the time it took. */
export type StartedGateway = { readonly target: Target; readonly child: Child; readonly startMs: number };

/**
 * Version of the npm package compared with, and the one dependency of it that is held back: with
 * `@hono/node-server` above 1.13.0 (which its range ^1.3.3 admits) every stream of it answers 500 on Node 20, "TypeError:
 * immutable". Without streams there was no difference in speed between 1.3.3 and 1.19.19.
 */
export const PORTKEY = { version: '1.15.2', nodeServer: '1.13.0' } as const;

/** Starts the stand-in upstream by itself. */
export async function startUpstream({ children, programs, clock }: Bench): Promise<Target> {
  const port = await freePort();
  const args = ['--port', String(port), '--alias', 'upstream'];
  const child = children.start({ name: 'upstream', command: programs.upstream, args });
  await untilAnswering(child, `http://127.0.0.1:${port}/health`, clock);
  return { name: 'direct', port, pid: child.pid, headers: {} };
}

/** Starts the bare relay in front of an upstream. */
export async function startRelay({ children, clock }: Bench, upstream: Target): Promise<Target> {
  const port = await freePort();
  const script = fileURLToPath(import.meta.resolve('./relay.ts'));
  const args = ['--import', import.meta.resolve('tsx'), script, String(port), String(upstream.port)];
  const child = children.start({ name: 'relay', command: process.execPath, args });
  await untilAnswering(child, `http://127.0.0.1:${port}/health`, clock);
  return { name: 'relay', port, pid: child.pid, headers: {} };
}

/** Fetches the npm package into a folder of the run and starts it with the upstream as its custom host. */
export async function startPortkey({ folder, children, clock, signal }: Bench, upstream: Target): Promise<Target> {
  const home = join(folder, 'portkey');
  await mkdir(home);
  const manifest = {
    private: true,
    dependencies: { '@portkey-ai/gateway': PORTKEY.version },
    overrides: { '@hono/node-server': PORTKEY.nodeServer },
  };
  await writeFile(join(home, 'package.json'), JSON.stringify(manifest));
  const npm = await execa('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: home,
    reject: false,
    cancelSignal: signal,
  });
  if (npm.failed) {
    const remedy = 'check the network, or leave it out with --targets direct,relay,gateway';
    throw new GatewayError('start_failed', `npm cannot fetch @portkey-ai/gateway: ${npm.stderr.trim()}; ${remedy}`);
  }
  const port = await freePort();
  const script = join(home, 'node_modules/@portkey-ai/gateway/build/start-server.js');
  const child = children.start({
    name: 'portkey',
    command: process.execPath,
    args: [script, '--headless', `--port=${port}`],
    environment: { NODE_ENV: 'production' },
  });
  await untilAnswering(child, `http://127.0.0.1:${port}/`, clock);
  const headers = {
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `http://127.0.0.1:${upstream.port}/v1`,
    authorization: 'Bearer unused',
  };
  return { name: 'portkey', port, pid: child.pid, headers };
}

/**
 * Starts the built gateway as its users do, `sluice serve --policy … --data …` (which is `dist/src/cli.js`), on a policy whose
 * runtime's program is the stand-in upstream. `startMs` is from the start of the process to the first 200 of /health.
 */
export async function startGatewayTarget(bench: Bench, name = 'gateway'): Promise<StartedGateway> {
  const folder = join(bench.folder, name);
  await mkdir(folder);
  const policyFile = await writeGatewayFiles(folder, bench.programs.upstream);
  return serveGateway(bench, { name, policyFile, dataDir: join(folder, 'data') });
}

/** Starts the built gateway on any policy, with the benchmark's API key in its environment. */
export async function serveGateway(
  { children, clock }: Bench,
  { name, policyFile, dataDir }: { readonly name: string; readonly policyFile: string; readonly dataDir: string },
): Promise<StartedGateway> {
  const port = await freePort();
  const program = join(packageRoot(), 'dist/src/cli.js');
  const key = clock.randomHex(16);
  const child = children.start({
    name,
    command: program,
    args: ['serve', '--policy', policyFile, '--data', dataDir, '--port', String(port)],
    environment: { [KEY_ENV]: key },
  });
  const startMs = await untilAnswering(child, `http://127.0.0.1:${port}/health`, clock);
  const headers = { authorization: `Bearer ${key}` };
  return { child, startMs, target: { name: 'gateway', port, pid: child.pid, headers } };
}
