import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OWN_ENVIRONMENT } from '../../src/core/own-environment.ts';
import { packageRoot } from '../../src/core/package-root.ts';
import { tierPath } from '../../src/demo/tiers.ts';
import {
  contentOf,
  demoPolicy,
  isAlive,
  type Parsed,
  type PolicyFile,
  postChat,
  question,
  sentenceOf,
  serversWith,
  testVariable,
} from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

// The gateway as a process of its own, started as its users start it: what it does when it is killed, stopped, or
// started twice on one data directory.

type Served = { readonly process: ChildProcess; readonly said: () => string; readonly exited: Promise<unknown[]> };

let folder: string;
let policyFile: string;
const started: Served[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-process-'));
  policyFile = join(folder, 'policy.yaml');
  // A model file of this test only, so that its servers can be told from everybody else's.
  const policy = demoPolicy(['tiny', 'demo-4b']);
  for (const id of ['tiny', 'demo-4b'] as const) {
    const file = join(folder, `${id}.gguf`);
    copyFileSync(tierPath(testVariable('SLUICE_TEST_MODELS'), id), file);
    policy.models[id] = { ...policy.models[id], file };
  }
  writePolicy(policy);
});

const writePolicy = (policy: PolicyFile) => writeFileSync(policyFile, JSON.stringify(policy));

afterEach(async () => {
  for (const { process: child, exited } of started.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await exited;
  }
  await until('no server of this test is left', () => serversWith(folder).length === 0);
  rmSync(folder, { recursive: true, force: true });
});

function serve(...more: string[]): Served {
  const cli = join(packageRoot(), 'src', 'cli.ts');
  const args = ['--import', 'tsx', cli, 'serve', '--policy', policyFile, '--data', join(folder, 'data'), '--port', '0'];
  const child = spawn(process.execPath, [...args, ...more], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: packageRoot(),
    // A process group of its own, as a shell gives one to each command.
    detached: true,
    // As the first line of cli.ts has it.
    env: { ...process.env, ...OWN_ENVIRONMENT },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      said += text;
    });
  }
  const served = { process: child, said: () => said, exited: once(child, 'close') };
  started.push(served);
  return served;
}

const urlOf = (served: Served): Promise<string> =>
  until('it listens', () => /listening on (http:\/\/[\d.:]+)/.exec(served.said())?.[1]);

const ready = (url: string): Promise<Parsed> =>
  until('its models are loaded', async () => {
    const { models } = (await (await fetch(`${url}/router/status`)).json()) as Parsed;
    return models.every((model: { state: { kind: string } }) => model.state.kind === 'ready') && models;
  });

async function startReady(...more: string[]): Promise<{ served: Served; url: string; models: Parsed }> {
  const served = serve('--log-format', 'text', ...more);
  const url = await urlOf(served);
  return { served, url, models: await ready(url) };
}

describe('sluice serve', () => {
  it('keeps to itself what its own process is started with', async () => {
    const { models } = await startReady();
    for (const { pid } of models)
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toMatch(/MALLOC_(ARENA|TRIM)/);
  });

  it('refuses a data directory that another one uses, and leaves that one alone', async () => {
    const { url } = await startReady();
    const second = serve('--log-format', 'text');
    expect(await second.exited).toEqual([1, null]);
    expect(second.said()).toMatch(/another Sluice \(process \d+\) uses this data directory.*--data DIR/s);
    expect(contentOf((await postChat(url, question())).text)).toBe(sentenceOf('demo-4b'));
    expect(serversWith(folder)).toHaveLength(2);
  });

  it('leaves no server behind when it is killed, and starts clean afterwards', async () => {
    const { url, models, served } = await startReady();
    const pids: number[] = models.map((model: { pid: number }) => model.pid);
    expect(pids.every(isAlive)).toBe(true);
    const broken = postChat(url, question({ stream: true, ignore_eos: true, max_tokens: 1900 }));
    const outcome = broken.then(
      () => 'whole',
      () => 'broken off',
    );
    served.process.kill('SIGKILL');
    await served.exited;
    expect(await outcome).toBe('broken off');
    await until('every child is gone', () => !pids.some(isAlive));
    const again = await startReady();
    expect(contentOf((await postChat(again.url, question())).text)).toBe(sentenceOf('demo-4b'));
    expect(serversWith(folder)).toHaveLength(2);
  });

  it('lets a running stream end on SIGTERM, refuses new work with 503, and leaves nothing', async () => {
    const { url, served } = await startReady();
    const stream = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify(question({ stream: true, ignore_eos: true, max_tokens: 300 })),
    });
    served.process.kill('SIGTERM');
    await until('it drains', () => /stopping/.test(served.said()));
    const refused = await postChat(url, question());
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.text).error.code).toBe('shutting_down');
    expect(refused.headers.get('retry-after')).toBe('5');
    const text = await stream.text();
    expect(text).toContain('"finish_reason":"length"');
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(await served.exited).toEqual([0, null]);
    expect(serversWith(folder)).toEqual([]);
  });

  it('lets a running stream end on Ctrl-C in a process with a heap limit of its own', async () => {
    const policy = JSON.parse(readFileSync(policyFile, 'utf8'));
    writePolicy({ ...policy, machine: { ...policy.machine, node_heap: '200MB' } });
    const { url, served } = await startReady();
    const stream = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify(question({ stream: true, ignore_eos: true, max_tokens: 200 })),
    });
    // A terminal signals the whole group.
    process.kill(-(served.process.pid ?? 0), 'SIGINT');
    expect((await stream.text()).endsWith('data: [DONE]\n\n')).toBe(true);
    expect(await served.exited).toEqual([0, null]);
  });

  it('ends with the process that gave it its heap limit', async () => {
    const policy = JSON.parse(readFileSync(policyFile, 'utf8'));
    writePolicy({ ...policy, machine: { ...policy.machine, node_heap: '200MB' } });
    const { served, url } = await startReady();
    served.process.kill('SIGKILL');
    await until('nobody listens', () =>
      fetch(`${url}/health`).then(
        () => false,
        () => true,
      ),
    );
    await until('no server is left', () => serversWith(folder).length === 0);
  });

  it('tells its address at once when the log is JSON', async () => {
    const served = serve('--log-format', 'json');
    const url = await urlOf(served);
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  it('will not listen on every address without keys, unless told to', async () => {
    const refused = serve('--host', '0.0.0.0', '--log-format', 'text');
    expect(await refused.exited).toEqual([1, null]);
    expect(refused.said()).toMatch(/will not listen on 0\.0\.0\.0 without API keys.*--allow-anonymous/s);
    const allowed = await startReady('--host', '0.0.0.0', '--allow-anonymous');
    expect((await postChat(allowed.url, question({ model: 'tiny' }))).status).toBe(200);
  });

  it('ends with a message about line and column when the policy is broken', async () => {
    writeFileSync(policyFile, 'version: 1\nmodels: {a: {runtime: nowhere}}\n');
    const served = serve();
    expect(await served.exited).toEqual([1, null]);
    expect(served.said()).toMatch(/policy\.yaml:2:\d+/);
  });
});
