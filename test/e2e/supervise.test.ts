import { spawn } from 'node:child_process';
import { copyFileSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLlamaServerAdapter } from '../../runtimes/llama-server/adapter.ts';
import { systemClock } from '../../src/core/clock.ts';
import { modelId } from '../../src/core/ids.ts';
import type { ModelPolicy } from '../../src/core/policy.ts';
import { identifyProcess } from '../../src/supervise/process-identity.ts';
import { createSupervisor } from '../../src/supervise/supervisor.ts';
import type { Lease } from '../../src/supervise/supervisor-types.ts';
import { llamaModel, llamaPolicy } from '../helpers/llama-policy.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';
import { acquire, eventLog, processRuns, viewOf } from '../supervise/engine-bed.ts';

const binary = process.env['SLUICE_TEST_LLAMA_SERVER'] ?? '';
const modelFile = (tier: string) => join(process.env['SLUICE_TEST_MODELS'] ?? '', `${tier}.gguf`);
const RUNNER = join(import.meta.dirname, '../fixtures/children/run-supervisor.ts');

async function supervise(
  models: readonly ModelPolicy[],
  given: { readonly memoryBytes?: number; readonly dataDir?: string } = {},
) {
  const log = eventLog();
  const supervisor = createSupervisor({
    clock: systemClock,
    emit: log.emit,
    adapters: new Map([['llama-server', createLlamaServerAdapter({ clock: systemClock, emit: log.emit })]]),
    dataDir: given.dataDir ?? temporaryFolder(),
    memoryBytes: () => ({ totalBytes: 8_000_000_000 }),
    measured: () => ({}),
  });
  onTestFinished(() => supervisor.stop(0));
  await supervisor.applyPolicy(llamaPolicy(binary, models, given.memoryBytes));
  return { supervisor, log };
}

/** Asks the child; resolves with the answer's text. */
function ask(lease: Lease, fields: Readonly<Record<string, unknown>> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const body = { messages: [{ role: 'user', content: 'Who are you?' }], ...fields };
    lease.connection.exchange('/v1/chat/completions', JSON.stringify(body), {
      head: () => undefined,
      chunk: (bytes) => {
        text += bytes.toString();
        return true;
      },
      end: () => resolve(text),
      failed: reject,
    });
  });
}

/** A generation that runs until it is cut off; resolves once its first bytes are there. */
function askForever(lease: Lease) {
  return new Promise<{ readonly abort: () => void; readonly broken: Promise<string> }>((resolve) => {
    let tell: (message: string) => void = () => undefined;
    const broken = new Promise<string>((done) => {
      tell = done;
    });
    const body = { stream: true, ignore_eos: true, max_tokens: 1900, messages: [{ role: 'user', content: 'Go on.' }] };
    const exchange = lease.connection.exchange('/v1/chat/completions', JSON.stringify(body), {
      head: () => undefined,
      chunk: () => {
        resolve({ abort: () => exchange.abort(), broken });
        return true;
      },
      end: () => tell('ended'),
      failed: (error) => tell(error.code),
    });
  });
}

async function untilGone(pids: readonly number[]): Promise<void> {
  for (const pid of pids) await until(`process ${pid} is gone`, () => identifyProcess(pid) === undefined);
}

/** The supervisor in a process of its own; resolves with the pids of its children once they are ready. */
async function runElsewhere(dataDir: string, path = process.env['PATH']) {
  const args = ['--import', 'tsx', RUNNER, dataDir, binary, modelFile('tiny'), modelFile('demo-1.7b')];
  const runner = spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, PATH: path },
  });
  const ended = new Promise<void>((resolve) => runner.once('exit', () => resolve()));
  onTestFinished(() => {
    runner.kill('SIGKILL');
  });
  const line = await new Promise<string>((resolve) => createInterface({ input: runner.stdout }).once('line', resolve));
  const pids: readonly number[] = JSON.parse(line);
  onTestFinished(() => {
    for (const pid of pids) if (identifyProcess(pid) !== undefined) process.kill(pid, 'SIGKILL');
  });
  const killHard = async () => {
    runner.kill('SIGKILL');
    await ended;
  };
  return { pids, killHard };
}

describe('a llama-server child', () => {
  it('is loaded on demand and answers as the model it was asked for', async () => {
    const { supervisor } = await supervise([
      llamaModel('one', modelFile('demo-1.7b')),
      llamaModel('four', modelFile('demo-4b')),
    ]);
    const [one, four] = await Promise.all([acquire(supervisor, 'one'), acquire(supervisor, 'four')]);
    expect(await ask(one)).toContain('I am the 1.7B tier');
    expect(await ask(four)).toContain('I am the 4B tier');
    expect(viewOf(supervisor, 'one')).toMatchObject({ runtimeVersion: expect.stringContaining('build'), parallel: 1 });
    expect(readFileSync(`/proc/${viewOf(supervisor, 'one').pid}/cmdline`, 'utf8')).not.toMatch(/api-key/);
  });

  it('killed while ready is restarted after a pause and answers again', async () => {
    const { supervisor, log } = await supervise([
      llamaModel('tiny', modelFile('tiny'), { keep: { kind: 'resident' } }),
    ]);
    await supervisor.ready();
    const pid = viewOf(supervisor, 'tiny').pid as number;
    process.kill(pid, 'SIGKILL');
    await log.until(() => log.states('tiny').includes('ready>backoff'));
    const lease = await acquire(supervisor, 'tiny');
    expect(await ask(lease)).toContain('I am the tiny tier');
    expect(log.states('tiny').slice(3)).toEqual([
      'ready>backoff',
      'backoff>stopped',
      'stopped>starting',
      'starting>loading',
      'loading>ready',
    ]);
    expect(viewOf(supervisor, 'tiny')).toMatchObject({ restarts: 1 });
  });

  it('killed in the middle of an answer breaks it off, and serves the next one', async () => {
    const { supervisor } = await supervise([llamaModel('four', modelFile('demo-4b'))]);
    const lease = await acquire(supervisor, 'four');
    const { broken } = await askForever(lease);
    process.kill(viewOf(supervisor, 'four').pid as number, 'SIGKILL');
    expect(await broken).toBe('runtime_failed');
    await lease.release('failed');
    expect(viewOf(supervisor, 'four').residency.kind).toBe('backoff');
    expect(await ask(await acquire(supervisor, 'four'))).toContain('I am the 4B tier');
  });

  it('has a free slot within a moment of an answer that was abandoned', async () => {
    const { supervisor } = await supervise([llamaModel('nine', modelFile('demo-9b'))]);
    const lease = await acquire(supervisor, 'nine');
    const pid = viewOf(supervisor, 'nine').pid;
    const { abort } = await askForever(lease);
    abort();
    const beganMs = systemClock.monotonicMs();
    await lease.release('aborted');
    expect(systemClock.monotonicMs() - beganMs).toBeLessThan(2_000);
    expect(viewOf(supervisor, 'nine')).toMatchObject({ pid, residency: { kind: 'ready' } });
    expect(await ask(await acquire(supervisor, 'nine'))).toContain('I am the 9B tier');
  });

  it('is not started on a missing or a cut file, which say what is wrong', async () => {
    const cut = join(temporaryFolder(), 'cut.gguf');
    writeFileSync(cut, readFileSync(modelFile('tiny')).subarray(0, 300_000));
    const { supervisor, log } = await supervise([llamaModel('missing', '/nowhere/m.gguf'), llamaModel('cut', cut)]);
    await expect(acquire(supervisor, 'missing')).rejects.toMatchObject({
      code: 'model_unavailable',
      message: expect.stringMatching(/\/nowhere\/m\.gguf .*put the file there/),
    });
    await expect(acquire(supervisor, 'cut')).rejects.toMatchObject({
      message: expect.stringContaining('the file has 300000'),
    });
    expect(log.states('missing')).toEqual([]);
  });

  it('that cannot load its file fails once, in its own words, and works when the file is repaired', async () => {
    // Damaged where only llama-server looks: the name of a tensor it needs.
    const damaged = join(temporaryFolder(), 'damaged.gguf');
    copyFileSync(modelFile('tiny'), damaged);
    const at = readFileSync(damaged).indexOf('output_norm.weight');
    writeSync(openSync(damaged, 'r+'), 'xxxxxx_norm.weight', at);
    const { supervisor, log } = await supervise([llamaModel('damaged', damaged, { keep: { kind: 'resident' } })]);
    await supervisor.ready();
    await expect(acquire(supervisor, 'damaged')).rejects.toMatchObject({
      code: 'model_unavailable',
      message: expect.stringMatching(
        /exited with code 1 before it was ready; llama-server says: .*tensor 'output_norm.weight' not found/,
      ),
    });
    expect(log.states('damaged')).toEqual(['stopped>starting', 'starting>loading', 'loading>failed']);
    copyFileSync(modelFile('tiny'), damaged);
    expect(await ask(await acquire(supervisor, 'damaged'))).toContain('I am the tiny tier');
  });
});

describe('a memory budget for one', () => {
  it('forces a swap, and never at the cost of a running generation', async () => {
    const models = [llamaModel('four', modelFile('demo-4b')), llamaModel('nine', modelFile('demo-9b'))];
    const { supervisor: measuring } = await supervise(models);
    const needs = ['four', 'nine'].map((id) => viewOf(measuring, id).memoryBytes) as [number, number];
    await measuring.stop(0);
    const { supervisor, log } = await supervise(models, { memoryBytes: Math.max(...needs) + Math.min(...needs) / 2 });
    const four = await acquire(supervisor, 'four');
    const { abort, broken } = await askForever(four);
    const nine = acquire(supervisor, 'nine');
    expect(viewOf(supervisor, 'four').residency.kind).toBe('busy');
    expect(supervisor.memory().evictableBytes).toBe(0);
    abort();
    await four.release('aborted');
    expect(await ask(await nine)).toContain('I am the 9B tier');
    expect(log.events).toContainEqual({ kind: 'child.evicted', model: 'four', for: 'nine', bytes: needs[0] });
    expect(viewOf(supervisor, 'four').residency.kind).toBe('stopped');
    expect(await Promise.race([broken, Promise.resolve('untouched')])).toBe('untouched');
  });
});

describe('a gateway killed with -9', () => {
  it('leaves no llama-server, and the next one starts clean', async () => {
    const dataDir = temporaryFolder();
    const { pids, killHard } = await runElsewhere(dataDir);
    expect(pids.map(processRuns)).toEqual([true, true]);
    await killHard();
    await untilGone(pids);
    const again = await runElsewhere(dataDir);
    expect(again.pids.map(processRuns)).toEqual([true, true]);
  });

  it('has its children reaped by the next one where the system has no parent-death signal', async () => {
    const dataDir = temporaryFolder();
    // A PATH without setpriv.
    const { pids, killHard } = await runElsewhere(dataDir, dirname(binary));
    await killHard();
    expect(pids.map(processRuns)).toEqual([true, true]);
    const { log } = await supervise([], { dataDir });
    await untilGone(pids);
    expect(log.events.filter((event) => event.kind === 'gateway.notice')).toHaveLength(2);
  });
});

describe('stop', () => {
  it('lets the last answer end and leaves no process', async () => {
    const { supervisor } = await supervise([
      llamaModel('tiny', modelFile('tiny')),
      llamaModel('four', modelFile('demo-4b')),
    ]);
    await (await acquire(supervisor, 'tiny')).release('ok');
    const lease = await acquire(supervisor, 'four');
    const pids = ['tiny', 'four'].map((id) => viewOf(supervisor, id).pid as number);
    const answer = ask(lease).then(async (text) => {
      await lease.release('ok');
      return text;
    });
    await supervisor.stop(20_000);
    expect(await answer).toContain('I am the 4B tier');
    expect(pids.map(processRuns)).toEqual([false, false]);
    await expect(supervisor.load(modelId('tiny'), new AbortController().signal)).rejects.toMatchObject({
      code: 'shutting_down',
    });
  });
});
