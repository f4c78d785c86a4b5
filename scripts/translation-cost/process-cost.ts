import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent } from 'undici';
import { GatewayError } from '../../src/core/errors.ts';
import { freePort } from '../../src/supervise/free-port.ts';
import { untilAnswering } from '../gateway-bench/children.ts';
import { writeGatewayFiles } from '../gateway-bench/gateway-files.ts';
import { cpuUs } from '../gateway-bench/process-figures.ts';
import { type Bench, serveGateway, startRelay, type Target } from '../gateway-bench/targets.ts';

/** How the stand-in engine streams, and how many streams make one figure. */
export type Pace = {
  /** Tokens of each stream. */
  readonly tokens: number;
  /** From one token of a stream to its next, µs; each is a write of its own, as an engine's are. */
  readonly gapUs: number;
  readonly streams: number;
  /** Streams at a time. */
  readonly clients: number;
};

/** What is measured: the gateway, and a bare relay in front of the same engine. */
export type Targets = { readonly gateway: Target; readonly relay: Target };

/** Starts both on a stand-in engine that keeps the pace. */
export async function startTargets(bench: Bench, pace: Pace): Promise<Targets> {
  const environment = { UPSTREAM_TOKENS: String(pace.tokens), UPSTREAM_TOKEN_DELAY_US: String(pace.gapUs) };
  const port = await freePort();
  const args = ['--port', String(port), '--alias', 'upstream'];
  const child = bench.children.start({ name: 'upstream', command: bench.programs.upstream, args, environment });
  await untilAnswering(child, `http://127.0.0.1:${port}/health`, bench.clock);
  const relay = await startRelay(bench, { name: 'direct', port, pid: child.pid, headers: {} });
  const folder = join(bench.folder, 'gateway');
  await mkdir(folder);
  const program = await writePacedProgram(folder, bench.programs.upstream, environment);
  const policyFile = await writeGatewayFiles(folder, program);
  const { target } = await serveGateway(bench, { name: 'gateway', policyFile, dataDir: join(folder, 'data') });
  return { gateway: target, relay };
}

// A gateway gives its children an environment of their own, so the pace is written into the program.
async function writePacedProgram(
  folder: string,
  upstream: string,
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  const program = join(folder, 'paced-upstream');
  const exports = Object.entries(environment).map(([name, value]) => `export ${name}=${value}`);
  await writeFile(program, ['#!/bin/sh', ...exports, `exec ${upstream} "$@"`, ''].join('\n'));
  await chmod(program, 0o755);
  return program;
}

/**
 * CPU that a target's process uses per token, µs, user and system, sockets and all. Throws `runtime_failed` where a
 * stream is not whole: wrong is not fast.
 */
export async function measureProcess(
  target: Target,
  asked: { readonly path: string; readonly body: string },
  pace: Pace,
): Promise<number> {
  const agent = new Agent({ connections: pace.clients });
  try {
    const before = cpuUs(target.pid);
    let left = pace.streams;
    const client = async () => {
      while (left > 0) {
        left -= 1;
        await readStream(agent, target, asked, pace.tokens);
      }
    };
    await Promise.all(Array.from({ length: pace.clients }, client));
    return (cpuUs(target.pid) - before) / (pace.streams * pace.tokens);
  } finally {
    await agent.close();
  }
}

async function readStream(
  agent: Agent,
  target: Target,
  { path, body }: { readonly path: string; readonly body: string },
  tokens: number,
): Promise<void> {
  const headers = { 'content-type': 'application/json', ...target.headers };
  const origin = `http://127.0.0.1:${target.port}`;
  const reply = await agent.request({ origin, path, method: 'POST', headers, body });
  const text = await reply.body.text();
  if (reply.statusCode === 200 && text.includes(` w1"`) && text.includes(` w${tokens}"`)) return;
  const end = text.slice(-300);
  throw new GatewayError(
    'runtime_failed',
    `${target.name} ${path} answered ${reply.statusCode}, not ${tokens} tokens: ${end}`,
  );
}
