import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Gateway, type GatewayOptions, startGateway } from '../../src/app.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import type { GatewayEvent, RequestRecord } from '../../src/core/events.ts';
import { type TierId, tierPath, tiers } from '../../src/demo/tiers.ts';
import { createEventBus } from '../../src/observe/event-bus.ts';
import { until } from './until.ts';

/** Parsed JSON: tests look into it and expect what they find. */
export type Parsed = ReturnType<typeof JSON.parse>;

/** Sentence each demo tier answers with, by model id. */
export const sentenceOf = (model: string): string => tiers[model as TierId].sentence;

/** The value of a variable the global setup sets. */
export function testVariable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; run the tests with: npx vitest run --project 'e2e*'`);
  return value;
}

/** A policy file's content; YAML reads JSON. */
export type PolicyFile = {
  version: 1;
  gateway: Record<string, unknown>;
  machine: Record<string, unknown>;
  devices: Record<string, { lanes: number }>;
  runtimes: Record<string, Record<string, unknown>>;
  models: Record<string, Record<string, unknown>>;
  classes: Record<string, Record<string, unknown>>;
  clients: Record<string, unknown>[];
  classify?: Record<string, unknown>;
  bench?: Record<string, unknown>;
  batch?: Record<string, unknown>;
};

const QUALITIES = { tiny: 0.3, 'demo-1.7b': 0.45, 'demo-4b': 0.7, 'demo-9b': 0.8, 'demo-27b': 0.88 } as const;

/** The demo tiers on one lane, each preferred by one class; `ids` are those to declare, all of them resident. */
export function demoPolicy(ids: readonly TierId[]): PolicyFile {
  const preferred = (id: TierId) => (ids.includes(id) ? { prefer: id } : {});
  return {
    version: 1,
    gateway: { host: '127.0.0.1', port: 0 },
    machine: { memory: '12GB', reserve: '0MB' },
    devices: { cpu: { lanes: 1 } },
    runtimes: {
      llama: {
        kind: 'llama-server',
        device: 'cpu',
        binary: testVariable('SLUICE_TEST_LLAMA_SERVER'),
        bench_binary: testVariable('SLUICE_TEST_LLAMA_BENCH'),
        settings: {
          threads: 2,
          context: 2048,
          parallel: 1,
          jinja: true,
          reasoning_budget: 0,
          cache_type_k: 'f16',
          cache_type_v: 'f16',
          flash_attention: 'on',
          load_mode: 'mmap',
          batch: 64,
          ubatch: 64,
        },
      },
    },
    models: Object.fromEntries(ids.map((id) => [id, demoModel(id)])),
    classes: {
      route: { min_quality: 0, ...preferred('demo-1.7b') },
      interactive: { min_quality: 0, ...preferred('demo-4b') },
      quality: { min_quality: 0, ...preferred('demo-9b') },
      batch: { min_quality: 0, ...preferred('demo-27b') },
    },
    clients: [],
    // What a test does not ask for must not run beside it.
    bench: { idle: 'off' },
    // Other tests run beside this one.
    batch: { load_max: 1 },
  };
}

/** One demo tier as an entry of `models`. */
export function demoModel(id: TierId): Record<string, unknown> {
  const file = tierPath(testVariable('SLUICE_TEST_MODELS'), id);
  return { runtime: 'llama', file, quality: QUALITIES[id], keep: 'resident' };
}

/** One answer of a gateway, read to its end. */
export type Reply = { readonly status: number; readonly headers: Headers; readonly text: string };

/** A chat request's body: a question and whatever is added to it. */
export const question = (added: object = {}): Record<string, unknown> => ({
  model: 'auto',
  messages: [{ role: 'user', content: 'Who are you?' }],
  ...added,
});

/** POSTs a chat request and reads the whole answer. */
export async function postChat(url: string, body: unknown, init: RequestInit = {}): Promise<Reply> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
    headers: { 'content-type': 'application/json', ...init.headers },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** The JSON events of an SSE text, in order, without `[DONE]` and comments. */
export function eventsOf(text: string): Parsed[] {
  const lines = text.split('\n').filter((line) => line.startsWith('data: {'));
  return lines.map((line) => JSON.parse(line.slice('data: '.length)));
}

/** The answer's text, of a stream or of a whole reply. */
export function contentOf(text: string): string {
  if (!text.startsWith('data: ') && !text.startsWith(':')) {
    return JSON.parse(text).choices?.[0]?.message?.content ?? '';
  }
  return eventsOf(text)
    .flatMap((event) => event.choices?.[0]?.delta?.content ?? [])
    .join('');
}

export { until } from './until.ts';

/** The system's clock, counting the timers that have neither run nor been cancelled. */
export function countingClock(): Clock & { pending(): number } {
  let pending = 0;
  return {
    ...systemClock,
    after: (delayMs, callback) => {
      let open = true;
      pending += 1;
      const close = () => {
        if (open) pending -= 1;
        open = false;
      };
      const cancel = systemClock.after(delayMs, () => {
        close();
        callback();
      });
      return () => {
        close();
        cancel();
      };
    },
    pending: () => pending,
  };
}

/** A child of the gateway as its own llama-server endpoint. */
export type ChildAddress = { readonly pid: number; readonly url: string; readonly key: string };

/** A gateway in this process on real llama-server children. */
export interface TestGateway {
  readonly gateway: Gateway;
  readonly url: string;
  readonly dataDir: string;
  readonly policyFile: string;
  /** Everything that has happened since the start. */
  readonly events: readonly GatewayEvent[];
  /** Finished requests, oldest first. */
  readonly records: () => readonly RequestRecord[];
  /** The event that fits, past or to come. */
  event(what: string, fits: (event: GatewayEvent) => boolean, from?: number): Promise<GatewayEvent>;
  /** GET, parsed. */
  json(path: string): Promise<Parsed>;
  /** POST /v1/chat/completions. */
  chat(body: unknown, init?: RequestInit): Promise<Reply>;
  /** Where a model's child listens, for talking to it without the gateway. */
  child(model: string): Promise<ChildAddress>;
  /** The child's first slot, as it says itself. */
  slot(model: string): Promise<{ is_processing: boolean; next_token?: { n_decoded: number }[] }>;
  /** Resolves when no lane runs or keeps waiting anything and no request is under way. */
  idle(): Promise<void>;
  writePolicy(policy: PolicyFile | string): void;
  stop(): Promise<void>;
}

/** Starts a gateway on a fresh data directory and waits until its resident models are loaded. */
export async function startTestGateway(
  policy: PolicyFile,
  given: Partial<Omit<GatewayOptions, 'policyFile' | 'dataDir' | 'events'>> & { readonly settle?: boolean } = {},
): Promise<TestGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-gateway-'));
  const policyFile = join(folder, 'policy.yaml');
  const dataDir = join(folder, 'data');
  const { settle = true, ...options } = given;
  const writePolicy = (next: PolicyFile | string) =>
    writeFileSync(policyFile, typeof next === 'string' ? next : JSON.stringify(next, undefined, 2));
  writePolicy(policy);
  const bus = createEventBus();
  const events: GatewayEvent[] = [];
  bus.subscribe((event) => events.push(event));
  let gateway: Gateway;
  try {
    gateway = await startGateway({
      policyFile,
      dataDir,
      allowAnonymous: false,
      clock: systemClock,
      events: bus,
      environment: process.env,
      ...options,
    });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  if (settle) await gateway.settled();
  const { url } = gateway;
  const json = async (path: string): Promise<Parsed> => (await fetch(`${url}${path}`)).json();
  const child = (model: string) => childAddress(model, json);
  return {
    gateway,
    url,
    dataDir,
    policyFile,
    events,
    records: () => events.flatMap((event) => (event.kind === 'request.finished' ? [event.record] : [])),
    event: (what, fits, from = 0) => until(what, () => events.slice(from).find(fits)),
    json,
    chat: (body, init) => postChat(url, body, init),
    child,
    slot: async (model) => {
      const { url: childUrl, key } = await child(model);
      const response = await fetch(`${childUrl}/slots`, { headers: { authorization: `Bearer ${key}` } });
      const slots = (await response.json()) as Awaited<ReturnType<TestGateway['slot']>>[];
      return slots[0] as Awaited<ReturnType<TestGateway['slot']>>;
    },
    idle: async () => {
      await until('every lane is empty', async () => isIdle(await json('/router/status')));
    },
    writePolicy,
    stop: async () => {
      await gateway.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

type Status = { requests_active: number; lanes: { running: unknown[]; waiting: unknown[] }[] };

/** True where a `/router/status` tells of no request, running or waiting. */
export const isIdle = (status: Status): boolean =>
  status.requests_active === 0 &&
  status.lanes.every(({ running, waiting }) => running.length === 0 && waiting.length === 0);

type ModelRow = { readonly id: string; readonly pid: number | null };

/** A child's port stands in its command line and its key in its environment, where its own user can read them. */
async function childAddress(model: string, json: TestGateway['json']): Promise<ChildAddress> {
  const { models } = (await json('/router/models')) as { models: ModelRow[] };
  const pid = models.find(({ id }) => id === model)?.pid;
  if (pid === undefined || pid === null) throw new Error(`${model} has no process`);
  const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  const key = /LLAMA_API_KEY=(\w+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1];
  if (key === undefined) throw new Error(`process ${pid} has no key in its environment`);
  return { pid, url: `http://127.0.0.1:${args[args.indexOf('--port') + 1]}`, key };
}

/** True while a process exists and is not a zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    // No such folder: no such process.
    return false;
  }
}

/** Pids of llama-server processes whose command line holds `text`, such as a folder of models only one test uses. */
export function serversWith(text: string): readonly number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,stat=,args='], { encoding: 'utf8' }).split('\n');
  const hits = lines.filter(
    (line) => line.includes('llama-server') && line.includes(text) && !/^\s*\d+\s+Z/.test(line),
  );
  return hits.map((line) => Number.parseInt(line, 10));
}
