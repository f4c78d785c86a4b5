import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEADLINES } from '../../../runtimes/rkllm/deadlines.ts';
import { createFrameReader } from '../../../runtimes/rkllm/frames.ts';
import type { FromWorker, GenerateMessage, LoadMessage } from '../../../runtimes/rkllm/protocol.ts';
import { buildSimulator } from '../../../runtimes/rkllm/simulator/build-simulator.ts';
import { workerCommand } from '../../../runtimes/rkllm/worker-command.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { spawnChild } from '../../../src/supervise/spawn-child.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';
import { until } from '../../helpers/until.ts';
import { processRuns } from '../../supervise/engine-bed.ts';
import { SHORT_LIMITS, startNpu, talk, VERSIONS, writeStandIn } from './npu-bed.ts';

const SHORT = { rules: SHORT_LIMITS };
const LONG_ANSWER = { repeat: 1000, decode_ms: 5 };

/** The error an acquire rejects with. */
const refusal = (npu: Awaited<ReturnType<typeof startNpu>>) =>
  npu.acquire().then(
    () => expect.unreachable('it loaded'),
    (error: Error) => error,
  );

describe.each(VERSIONS)('a worker on runtime %s that fails', (version) => {
  it.each([
    ['segv', 'SIGSEGV'],
    ['abort', 'SIGABRT'],
    ['ill', 'SIGILL'],
  ])('dies by itself on %s in a run; the request fails, the next one is answered', async (what, signal) => {
    const npu = await startNpu({ version });
    const lease = await npu.acquire();
    const { whole } = talk(lease, { messages: [{ role: 'user', content: `[[sim:${what}@2]]` }], stream: true });
    const { error } = await whole;
    expect(error).toMatchObject({ code: 'runtime_failed', message: expect.stringContaining('ended before') });
    await lease.release('failed');
    expect(npu.logs().join('\n')).toContain(`ended by ${signal}`);
    expect(npu.view()?.residency).toMatchObject({ kind: 'backoff', reason: expect.stringContaining(signal) });
    expect((await npu.ask({})).status).toBe(200);
  });

  it('is replaced when it hangs in a run, and is killed for it', async () => {
    const npu = await startNpu({ version, deps: SHORT });
    const lease = await npu.acquire();
    const pid = npu.view()?.pid ?? 0;
    const { whole } = talk(lease, { messages: [{ role: 'user', content: '[[sim:hang@2]]' }], stream: true });
    const { error } = await whole;
    expect(error).toMatchObject({ code: 'runtime_failed', message: expect.stringContaining('hangs and is replaced') });
    await lease.release('failed');
    expect(processRuns(pid)).toBe(false);
    expect(npu.logs().join('\n')).toContain('ended by SIGKILL');
    expect(npu.view()?.residency.kind).toBe('backoff');
    expect((await npu.ask({})).status).toBe(200);
  });

  it('is replaced when it hangs in the prefill', async () => {
    const npu = await startNpu({ version, deps: SHORT });
    const lease = await npu.acquire();
    const { whole } = talk(lease, { messages: [{ role: 'user', content: '[[sim:hang@-1]]' }] });
    expect((await whole).error).toMatchObject({ message: expect.stringContaining('hangs and is replaced') });
    await lease.release('failed');
    expect((await npu.ask({})).status).toBe(200);
  });

  it('passes an ERROR on with what the library said, and lives on', async () => {
    const npu = await startNpu({ version });
    await npu.ask({});
    const pid = npu.view()?.pid;
    const { error } = await npu.ask({ messages: [{ role: 'user', content: '[[sim:error@0]]' }] });
    expect(error).toMatchObject({
      code: 'runtime_failed',
      message: expect.stringContaining('matmul(w8a8) run failed'),
    });
    expect(error?.message).toContain('NPU driver 0.9.8');
    expect((await npu.ask({})).status).toBe(200);
    expect(npu.view()?.pid).toBe(pid);
  });

  it('tells a prompt that is longer than the context from other failures', async () => {
    const npu = await startNpu({ version, standIn: { context: 128 } });
    const { error } = await npu.ask({ messages: [{ role: 'user', content: 'word '.repeat(400) }] });
    expect(error).toMatchObject({ code: 'context_length_exceeded' });
  });

  it('says why it did not load when rkllm_init returns -1', async () => {
    const npu = await startNpu({ version, environment: { RKLLM_SIM_FAULT: 'init:fail' } });
    expect((await refusal(npu)).message).toMatch(/librkllmrt says: failed to malloc npu memory/);
    expect(npu.view()?.residency.kind).toBe('backoff');
  });

  it('does not take 0 without a handle for a loaded model', async () => {
    const npu = await startNpu({ version, environment: { RKLLM_SIM_FAULT: 'init:null' } });
    expect((await refusal(npu)).message).toContain('rkllm_init returned 0 but gave no handle');
  });

  it('gives up for good on a file that can never load', async () => {
    const npu = await startNpu({ version, standIn: { toolkit: '9.0.0' } });
    expect((await refusal(npu)).message).toMatch(/runtime version is lower than the rkllm-toolkit version/i);
    expect(npu.view()?.residency.kind).toBe('failed');
  });

  it('is killed when it hangs in rkllm_init beyond its deadline', async () => {
    const npu = await startNpu({
      version,
      deps: { rules: { ...SHORT_LIMITS, loadFloorMs: 1_500 } },
      environment: { RKLLM_SIM_FAULT: 'init:hang' },
    });
    const before = systemClock.monotonicMs();
    expect(await refusal(npu)).toMatchObject({ code: 'load_timeout' });
    expect(systemClock.monotonicMs() - before).toBeLessThan(5_000);
  });

  it("loads with the file's own context when ours was too long", async () => {
    // The name says more than the file holds; the log is the truth.
    const npu = await startNpu({ version, standIn: { context: 4096 }, environment: { RKLLM_SIM_CONTEXT: '512' } });
    expect((await npu.ask({})).status).toBe(200);
    expect(npu.calls('init').map((call) => call.max_context_len)).toEqual([4096, 512]);
  });

  it('is killed when it hangs in rkllm_destroy', async () => {
    const npu = await startNpu({ version, environment: { RKLLM_SIM_FAULT: 'destroy:hang' } });
    await npu.ask({});
    const pid = npu.view()?.pid ?? 0;
    await npu.supervisor.stop(0);
    expect(processRuns(pid)).toBe(false);
    expect(npu.logs().join('\n')).toContain('ended by SIGKILL');
  });

  it('is killed when it hangs in rkllm_abort during an unload', async () => {
    const npu = await startNpu({ version, standIn: LONG_ANSWER, environment: { RKLLM_SIM_FAULT: 'abort:hang' } });
    const { began } = talk(await npu.acquire(), { stream: true });
    await began;
    const pid = npu.view()?.pid ?? 0;
    await npu.supervisor.stop(0);
    expect(processRuns(pid)).toBe(false);
    expect(npu.calls('destroy')).toEqual([]);
  });
});

const env = () =>
  Object.fromEntries(Object.entries(process.env).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));

const LOAD: LoadMessage = {
  kind: 'load',
  library: '',
  profile: '1.3',
  runtimeVersion: '1.3.0',
  modelFile: '',
  modelName: undefined,
  template: 'qwen3',
  contextTokens: 4096,
  sampling: {},
  cpuMask: undefined,
  embedFlash: undefined,
  baseDomainId: undefined,
  lora: {},
  npuLock: undefined,
  promptCache: undefined,
};

const GENERATE: GenerateMessage = {
  kind: 'generate',
  id: 1,
  messages: [{ role: 'user', content: 'hello' }],
  tools: [],
  thinking: undefined,
  maxTokens: undefined,
  stop: [],
  sampling: undefined,
  lora: undefined,
  reply: { id: 'chatcmpl-1', createdSec: 0, model: 'npu', stream: true, includeUsage: false },
};

/** A worker without anything around it. */
async function startWorker(standIn: Record<string, number>, environment: Record<string, string> = {}) {
  const modelFile = writeStandIn(join(temporaryFolder(), 'm.rkllm'), standIn);
  const [command, ...args] = workerCommand();
  const plan = { command, args, environment: { ...env(), ...environment }, ipc: true, byteStream: true };
  const child = await spawnChild({ ...plan, onLine: () => undefined }, systemClock);
  const load = async () => {
    const loaded = new Promise((resolve) => child.channel?.onMessage(resolve));
    child.channel?.send({ ...LOAD, library: await buildSimulator('1.3.0'), modelFile });
    expect(((await loaded) as FromWorker).kind).toBe('loaded');
  };
  return { ...child, load };
}

describe('a worker and its gateway', () => {
  it('take a second load of the loaded model for no work', async () => {
    const trace = join(temporaryFolder(), 'trace.jsonl');
    const child = await startWorker({}, { RKLLM_SIM_TRACE: trace });
    await child.load();
    await child.load();
    expect(readFileSync(trace, 'utf8').match(/"call":"init"/g)).toHaveLength(1);
    child.signal('SIGTERM');
    await child.ended;
  });

  it('send a conversation across once, and nothing of it with the tokens', async () => {
    const child = await startWorker({ repeat: 20, decode_ms: 2 });
    await child.load();
    const question = 'a long story. '.repeat(200);
    const tokens = 50;
    let replied = '';
    const finished = new Promise((resolve) =>
      child.channel?.onBytes((bytes) => {
        replied += bytes.toString('latin1');
        if (replied.includes('"kind":"finished"')) resolve(undefined);
      }),
    );
    child.channel?.send({ ...GENERATE, messages: [{ role: 'user', content: question }], maxTokens: tokens });
    await finished;
    expect(replied).not.toContain('long story');
    // An event of one token is some 180 bytes; a conversation with each would be fifteen times that.
    expect(replied.length / tokens).toBeLessThan(300);
    child.signal('SIGTERM');
    await child.ended;
  });

  it('ends in order when the gateway dies without a word, even in the middle of an answer', async () => {
    const trace = join(temporaryFolder(), 'trace.jsonl');
    const child = await startWorker(LONG_ANSWER, { RKLLM_SIM_TRACE: trace });
    const answered = new Promise((resolve) =>
      child.channel?.onBytes(createFrameReader((request) => request === GENERATE.id && resolve(undefined))),
    );
    await child.load();
    child.channel?.send(GENERATE);
    await answered;
    child.channel?.close();
    expect(await child.ended).toEqual({ code: 0, signal: undefined });
    expect(readFileSync(trace, 'utf8')).toMatch(/"abort".*\n.*"destroy","running":0/);
  });

  it('are one at a time on the NPU: a load waits for the run of another model', async () => {
    const npu = await startNpu({ ids: ['one', 'two'], standIn: { repeat: 20, decode_ms: 5, load_ms: 50 } });
    const lease = await npu.acquire('one');
    const { whole } = talk(lease, { stream: true });
    const other = npu.ask({}, 'two');
    await whole;
    await lease.release('ok');
    expect((await other).status).toBe(200);
    const order = npu.calls().map(({ call, prompt }) => (prompt === undefined ? call : 'run'));
    // The second init comes after the first run, although it was wanted while that run went on.
    expect(order.filter((call) => call === 'init' || call === 'run')).toEqual(['init', 'run', 'init', 'run']);
  });

  it('do not count the wait for the NPU as part of a load', async () => {
    const limitMs = 61_234;
    const delays: number[] = [];
    const clock = {
      ...systemClock,
      after: (delayMs: number, callback: () => void) => {
        delays.push(delayMs);
        return systemClock.after(delayMs, callback);
      },
    };
    const deadlines = () => delays.filter((delayMs) => delayMs === limitMs).length;
    const deps = { rules: { ...DEADLINES, loadFloorMs: limitMs } };
    const npu = await startNpu({ ids: ['one', 'two'], standIn: { repeat: 1000, decode_ms: 10 }, deps, clock });
    const lease = await npu.acquire('one');
    const running = talk(lease, { stream: true });
    await running.began;
    const other = npu.ask({ max_tokens: 1 }, 'two');
    await until('the other process waits', () => npu.view('two')?.pid !== undefined);
    expect(deadlines()).toBe(1);
    running.exchange.abort();
    await lease.release('aborted');
    expect(await other).toMatchObject({ status: 200 });
    expect(deadlines()).toBe(2);
  });

  it('do not keep the NPU for a worker that died while it waited for its turn', async () => {
    const npu = await startNpu({ ids: ['one', 'two'], standIn: { repeat: 40, decode_ms: 5 } });
    await npu.ask({ max_tokens: 1 }, 'two');
    const first = await npu.acquire('one');
    const second = await npu.acquire('two');
    const running = talk(first, { stream: true });
    await running.began;
    const waiting = talk(second, {});
    process.kill(npu.view('two')?.pid ?? 0, 'SIGKILL');
    expect((await waiting.whole).error).toMatchObject({ code: 'runtime_failed' });
    await second.release('failed');
    // Told at once, and not when its turn had come.
    const { error } = await Promise.race([running.whole, Promise.resolve({ error: 'still running' })]);
    expect(error).toBe('still running');
    await running.whole;
    await first.release('ok');
    expect((await npu.ask({ max_tokens: 1 }, 'one')).status).toBe(200);
    expect((await npu.ask({ max_tokens: 1 }, 'two')).status).toBe(200);
  });
});
