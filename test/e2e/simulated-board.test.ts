import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.ts';
import { contentOf, eventsOf, isAlive, isIdle, type Parsed, postChat } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

// `sluice serve --simulate`, started as its users start it: the shipped policy on a simulated RK3588, fast enough for a
// test. What is checked is the gateway's own: which model a class gets, what is loaded and evicted, what is said.

const SPEED = 200;

type Served = { readonly process: ChildProcess; readonly said: () => string; readonly exited: Promise<unknown[]> };

const started: Served[] = [];
let folder: string;
/** The shipped policy with batch work at any hour. */
let policyFile: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-simulated-test-'));
  policyFile = join(folder, 'policy.yaml');
  const shipped = readFileSync(join(packageRoot(), 'routing-policy.yaml'), 'utf8');
  const always = shipped.replace('window: "22:00-07:00"', 'window: "00:00-00:00"');
  expect(always).not.toBe(shipped);
  writeFileSync(policyFile, always);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: string[]): Served {
  const cli = join(packageRoot(), 'src', 'cli.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', cli, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: packageRoot(),
    env: { ...process.env, TMPDIR: folder },
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

const serve = (...more: string[]): Served =>
  run('serve', '--simulate', 'rk3588', '--speed', String(SPEED), '--port', '0', '--log-format', 'text', ...more);

const urlOf = (served: Served): Promise<string> =>
  until('it listens', () => /listening on (http:\/\/[\d.:]+)/.exec(served.said())?.[1]);

const get = async (url: string, path: string): Promise<Parsed> => (await fetch(`${url}${path}`)).json();

const residents = ['qwen3-1.7b', 'qwen3.5-0.8b', 'qwen3.5-4b'];
const loaded = (url: string): Promise<string[]> =>
  until('the resident models are loaded', async () => {
    const ready = await readyModels(url);
    return residents.every((id) => ready.includes(id)) && ready;
  });

async function readyModels(url: string): Promise<string[]> {
  const { models } = await get(url, '/router/models');
  return models.filter((model: Parsed) => model.state.kind === 'ready').map((model: Parsed) => model.id);
}

async function stopAll(): Promise<void> {
  for (const { process: child, exited } of started.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await exited;
  }
}

const ask = (added: object) => ({ messages: [{ role: 'user', content: 'Tell me about rivers.' }], ...added });
const short = { simulated: { output_tokens: 6 } };

describe('sluice serve --simulate', () => {
  let url: string;
  let served: Served;

  beforeAll(async () => {
    served = serve('--policy', policyFile);
    url = await urlOf(served);
    await loaded(url);
  });
  afterAll(stopAll);

  it('says everywhere that nothing of it is real', async () => {
    expect(served.said()).toMatch(/SIMULATED rk3588: no model runs/);
    const status = await get(url, '/router/status');
    expect(status.simulated).toEqual({ board: 'rk3588', speed: SPEED, policy_file: policyFile });
    expect(
      status.models.every((model: Parsed) => model.simulated && model.runtime_version === 'simulated rk3588'),
    ).toBe(true);
    const { data } = await get(url, '/v1/models');
    const real = data.filter(({ id }: Parsed) => id.startsWith('qwen'));
    expect(real.map(({ simulated }: Parsed) => simulated)).toEqual(Array.from({ length: 8 }, () => true));
    const reply = JSON.parse((await postChat(url, ask({ model: 'qwen3.5-4b', ...short }))).text);
    expect(reply.simulated).toEqual({ board: 'rk3588', speed: SPEED });
    expect((await get(url, '/router/profiles')).profiles['qwen3.5-9b'].decode_tokens_per_sec).toMatchObject({
      value: 1.62,
      provenance: 'reference',
    });
  });

  it.each([
    ['route', 'qwen3-1.7b'],
    ['interactive', 'qwen3.5-4b'],
    ['quality', 'qwen3.5-9b'],
    ['batch', 'qwen3.5-27b'],
  ])('%s goes where the figures of the board send it', async (name, model) => {
    const reply = await postChat(url, ask({ model: `auto:${name}`, ...short }));
    expect(reply.status).toBe(200);
    expect(reply.headers.get('x-router-model')).toBe(model);
    expect(contentOf(reply.text)).toBe(`I am ${model}, simulated as on rk3588`.slice(0, 24));
    const { x_router: router, usage } = JSON.parse(reply.text);
    expect(usage.completion_tokens).toBe(6);
    // The quickest of them takes 131 ms per token, give or take 8 %.
    expect(router.actual.e2e_ms).toBeGreaterThan(6 * 131 * 0.6);
  });

  it('times in answers are those of the board', async () => {
    const body = ask({ model: 'qwen3.5-0.8b', simulated: { output_tokens: 50 } });
    await postChat(url, body);
    const { timings, x_router: router } = JSON.parse((await postChat(url, body)).text);
    // 50 tokens at 8.07 per second, give or take 8 %. From below: a machine that stalls makes an answer late, never early.
    const boardMs = timings.prompt_ms + timings.predicted_ms;
    expect(boardMs).toBeGreaterThan(6_200 * 0.7);
    expect(router.actual.e2e_ms).toBeGreaterThanOrEqual(boardMs * 0.99);
    expect(timings.cache_n).toBeGreaterThan(5);
    expect(router.actual.cached_tokens).toBe(timings.cache_n);
  });

  it('the memory of the board forces a swap between 9B and 27B', async () => {
    await postChat(url, ask({ model: 'qwen3.5-9b', ...short }));
    expect(await readyModels(url)).toContain('qwen3.5-9b');
    await postChat(url, ask({ model: 'qwen3.5-27b', ...short }));
    expect(await readyModels(url)).toEqual(['qwen3.5-27b']);
    await postChat(url, ask({ model: 'qwen3.5-9b', ...short }));
    const ready = await readyModels(url);
    expect(ready).toContain('qwen3.5-9b');
    expect(ready).not.toContain('qwen3.5-27b');
    const { memory } = await get(url, '/router/status');
    expect(memory.pinned_bytes + memory.evictable_bytes).toBeLessThanOrEqual(memory.budget_bytes);
    expect(memory.budget_bytes).toBe(22e9);
  });

  it('a client that leaves frees the lane', async () => {
    const abort = new AbortController();
    const endless = ask({ model: 'qwen3.5-4b', stream: true, ignore_eos: true });
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify(endless),
      signal: abort.signal,
    });
    const reader = response.body?.getReader();
    await reader?.read();
    abort.abort();
    await until('every lane is empty', async () => isIdle(await get(url, '/router/status')));
    expect((await postChat(url, ask({ model: 'qwen3.5-4b', ...short }))).status).toBe(200);
  });

  it('fifty requests at a time are all answered, with the length they asked for', async () => {
    const classes = ['route', 'interactive', 'interactive', 'quality', 'route'];
    const replies = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const name = classes[index % classes.length];
        const stream = index % 2 === 0;
        const body = ask({ model: `auto:${name}`, stream, simulated: { output_tokens: 3 + (index % 7) } });
        return { ...(await postChat(url, body)), index, stream };
      }),
    );
    expect(replies.filter(({ status }) => status !== 200)).toEqual([]);
    for (const { text, stream, index } of replies) {
      const { x_router: router } = stream ? (eventsOf(text).find((event) => event.x_router) ?? {}) : JSON.parse(text);
      expect(router.actual.output_tokens).toBe(3 + (index % 7));
    }
    expect(isIdle(await get(url, '/router/status'))).toBe(true);
  });
});

describe('sluice serve --simulate as a process', () => {
  afterEach(stopAll);

  it('leaves no child behind when it is killed', async () => {
    const served = serve('--policy', policyFile, '--data', join(folder, 'killed'));
    const url = await urlOf(served);
    await loaded(url);
    const { models } = await get(url, '/router/models');
    const pids: number[] = models.flatMap(({ pid }: Parsed) => pid ?? []);
    expect(pids).toHaveLength(residents.length);
    served.process.kill('SIGKILL');
    await served.exited;
    await until('every child is gone', () => !pids.some(isAlive));
  });

  it('without --policy and --data it serves the shipped policy and leaves no file', async () => {
    const served = serve();
    const url = await urlOf(served);
    await loaded(url);
    const { policy, simulated } = await get(url, '/router/status');
    expect(simulated.policy_file).toBe(join(packageRoot(), 'routing-policy.yaml'));
    const data = dirname(dirname(policy.file));
    expect(existsSync(join(data, 'sluice.db'))).toBe(true);
    served.process.kill('SIGTERM');
    expect(await served.exited).toEqual([0, null]);
    expect(existsSync(data)).toBe(false);
  });

  it.each([
    [['--simulate', 'rk9999'], 2, /no figures of a board "rk9999"; boards that can be simulated: rk3588/],
    [['--speed', '50'], 2, /--speed is for a simulated board; name one with --simulate/],
    [['--simulate', 'rk3588', '--speed', 'fast'], 2, /expected a number above 0 and up to 1000/],
    [['--simulate', 'list'], 0, /rk3588 +RK3588, 24 GB/],
  ])('%j ends with %i', async (args, code, said) => {
    const served = run('serve', ...args);
    expect(await served.exited).toEqual([code, null]);
    expect(served.said()).toMatch(said);
  });
});
