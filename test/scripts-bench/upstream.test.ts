import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { chatBody, checkTarget, streamText } from '../../scripts/gateway-bench/check-target.ts';
import { createChildren, untilAnswering } from '../../scripts/gateway-bench/children.ts';
import { runLoad } from '../../scripts/gateway-bench/load-run.ts';
import { childPids, commandLine, environmentOf, residentBytes } from '../../scripts/gateway-bench/process-figures.ts';
import { compilePrograms, type Programs } from '../../scripts/gateway-bench/programs.ts';
import { type Bench, startRelay, startUpstream, type Target } from '../../scripts/gateway-bench/targets.ts';
import { systemClock } from '../../src/core/clock.ts';
import { freePort } from '../../src/supervise/free-port.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

// The programs are real and compiled here; without gcc this file fails and the message says what to install.
let programs: Programs;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-test-programs-'));
  programs = await compilePrograms(folder);
  return () => rm(folder, { recursive: true, force: true });
}, 60_000);

function bench(): Bench {
  const folder = temporaryFolder();
  const children = createChildren(folder, systemClock);
  onTestFinished(() => children.stopAll());
  return { folder, children, programs, clock: systemClock, signal: new AbortController().signal };
}

const chatUrl = (target: Target) => `http://127.0.0.1:${target.port}/v1/chat/completions`;
const post = (target: Target, body: string, headers: Record<string, string> = {}) =>
  fetch(chatUrl(target), { method: 'POST', body, headers });

describe('upstream', () => {
  it('answers 64 tokens whole and streamed, with the timings of llama-server', async () => {
    const target = await startUpstream(bench());
    await expect(checkTarget(target)).resolves.toBeUndefined();
    expect(await (await post(target, chatBody())).json()).toMatchObject({
      object: 'chat.completion',
      model: 'upstream',
      choices: [{ finish_reason: 'stop' }],
      usage: { completion_tokens: 64 },
      timings: { predicted_n: 64, prompt_n: 12 },
    });
  });

  it('completes a raw prompt in text chunks, as long as it is told', async () => {
    const { children, programs } = bench();
    const port = await freePort();
    const environment = { UPSTREAM_TOKENS: '300' };
    const child = children.start({
      name: 'long',
      command: programs.upstream,
      args: ['--port', `${port}`],
      environment,
    });
    await untilAnswering(child, `http://127.0.0.1:${port}/health`, systemClock);
    const body = JSON.stringify({ prompt: 'Who are you?', stream: true });
    const text = await (await fetch(`http://127.0.0.1:${port}/v1/completions`, { method: 'POST', body })).text();
    const events = text.split('\n\n').filter((event) => event.startsWith('data: {'));
    expect(events).toHaveLength(301);
    expect(JSON.parse(events[299]?.slice(6) as string)).toMatchObject({
      object: 'text_completion',
      choices: [{ text: ' w300', finish_reason: null }],
    });
    expect(JSON.parse(events[300]?.slice(6) as string)).toMatchObject({
      choices: [{ text: '', finish_reason: 'stop' }],
      timings: { predicted_n: 300 },
    });
  });

  it('sends the role, 64 contents, the end with timings, and [DONE]', async () => {
    const text = await (await post(await startUpstream(bench()), chatBody({ stream: true }))).text();
    const events = text.split('\n\n').filter((event) => event !== '');
    expect(events).toHaveLength(67);
    expect(JSON.parse(events[0]!.slice(6))).toMatchObject({ choices: [{ delta: { role: 'assistant' } }] });
    expect(JSON.parse(events[65]!.slice(6))).toMatchObject({
      choices: [{ finish_reason: 'stop', delta: {} }],
      timings: { predicted_n: 64 },
    });
    expect(events[66]).toBe('data: [DONE]');
  });

  it('sends the same bytes in one write when asked to', async () => {
    const target = await startUpstream(bench());
    const [one, many] = await Promise.all(
      [chatBody({ stream: true, user: 'one-write' }), chatBody({ stream: true })].map(async (body) =>
        (await post(target, body)).text(),
      ),
    );
    expect(streamText(one ?? '')).toBe(streamText(many ?? ''));
    expect(streamText(one ?? '')).toContain(' w64');
  });

  it('gives usage in a chunk of its own when the request includes it', async () => {
    const body = chatBody({ stream: true, stream_options: { include_usage: true } });
    const text = await (await post(await startUpstream(bench()), body)).text();
    expect(JSON.parse(text.split('\n\n').at(-3)!.slice(6))).toMatchObject({ choices: [], usage: { total_tokens: 76 } });
  });

  it('stops at max_tokens and says so', async () => {
    const reply = await post(await startUpstream(bench()), chatBody({ max_tokens: 3 }));
    expect(await reply.json()).toMatchObject({
      choices: [{ finish_reason: 'length', message: { content: ' w1 w2 w3' } }],
    });
  });

  it('puts a request together from single bytes and from chunks', async () => {
    const { port } = await startUpstream(bench());
    const body = chatBody({ max_tokens: 1 });
    const half = body.length >> 1;
    const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
    const head = 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n';
    const counted = `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
    const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n${chunk(body.slice(0, half))}${chunk(body.slice(half))}${chunk('')}`;
    for (const message of [counted, chunked]) {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      for (const byte of message) socket.write(byte);
      const [reply] = await once(socket, 'data');
      socket.destroy();
      expect(String(reply)).toContain('"content":" w1"');
    }
  });

  it('refuses a wrong key with 401 and still answers /health', async () => {
    const { children, clock, folder } = bench();
    const port = await freePort();
    const keyFile = join(folder, 'key');
    await writeFile(keyFile, 'secret\n');
    const args = ['--port', String(port), '--api-key-file', keyFile, '-m', 'ignored.gguf', '--unknown', '1'];
    const child = children.start({ name: 'upstream', command: programs.upstream, args });
    await untilAnswering(child, `http://127.0.0.1:${port}/health`, clock);
    const target: Target = { name: 'direct', port, pid: child.pid, headers: {} };
    expect((await post(target, chatBody(), { authorization: 'Bearer secret2' })).status).toBe(401);
    expect((await post(target, chatBody(), { authorization: 'Bearer secret' })).status).toBe(200);
  });

  it('lists in --help the flags of the real program that a launcher needs', async () => {
    const { stdout } = await execa(programs.upstream, ['--help']);
    for (const flag of ['--parallel', '--jinja', '--reasoning-budget', '--no-webui', '--cache-ram', '--metrics']) {
      expect(stdout).toContain(flag);
    }
    expect((await execa(programs.upstream, ['--version'])).stderr).toMatch(/^version: \S+ \(.*\)$/m);
  });
});

describe('runLoad', () => {
  it('counts every request and the CPU of the process it was told of', async () => {
    const parts = bench();
    const target = await startUpstream(parts);
    const bodyFile = join(parts.folder, 'body.json');
    await writeFile(bodyFile, chatBody({ stream: true }));
    const figures = await runLoad(parts, target, { connections: 4, requests: 200, warmup: 20, bodyFile });
    expect(figures).toMatchObject({ requests: 200, failed: 0 });
    expect(figures.requestsPerSec).toBeGreaterThan(10);
    expect(figures.latencyUs.p99).toBeGreaterThanOrEqual(figures.latencyUs.p50);
  });

  it('has no figures for a target that refuses', async () => {
    const parts = bench();
    const server = createServer((_, reply) => reply.writeHead(503, { 'content-length': 4 }).end('busy'));
    onTestFinished(() => void server.close());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const bodyFile = join(parts.folder, 'body.json');
    await writeFile(bodyFile, '{}');
    const { port } = server.address() as AddressInfo;
    const refusing: Target = { name: 'direct', port, pid: process.pid, headers: {} };
    await expect(runLoad(parts, refusing, { connections: 1, requests: 2, warmup: 0, bodyFile })).rejects.toMatchObject({
      code: 'runtime_failed',
      message: expect.stringContaining('HTTP/1.1 503'),
    });
  });
});

describe('startRelay', () => {
  it('passes whole replies and streams through', async () => {
    const parts = bench();
    const relay = await startRelay(parts, await startUpstream(parts));
    await expect(checkTarget(relay)).resolves.toBeUndefined();
  });
});

describe('process figures', () => {
  it('find a child by its parent and read its memory, command line and environment', async () => {
    const child = spawn('sleep', ['60'], { env: { ...process.env, SLUICE_TEST_MARK: 'here' } });
    onTestFinished(() => void child.kill());
    await once(child, 'spawn');
    const pid = child.pid!;
    expect(childPids(process.pid, 'sleep')).toContain(pid);
    expect(commandLine(pid)).toEqual(['sleep', '60']);
    expect(environmentOf(pid, 'SLUICE_TEST_MARK')).toBe('here');
    expect(residentBytes(process.pid)).toBeGreaterThan(10e6);
  });
});
