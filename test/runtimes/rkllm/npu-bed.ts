import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createRkllmAdapter, type RkllmDeps } from '../../../runtimes/rkllm/adapter.ts';
import { DEADLINES } from '../../../runtimes/rkllm/deadlines.ts';
import { buildSimulator } from '../../../runtimes/rkllm/simulator/build-simulator.ts';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import type { GatewayError } from '../../../src/core/errors.ts';
import type { GatewayEvent } from '../../../src/core/events.ts';
import { modelId, runtimeId } from '../../../src/core/ids.ts';
import type { ModelPolicy, Policy } from '../../../src/core/policy.ts';
import type { Exchange } from '../../../src/core/runtime.ts';
import { createSupervisor } from '../../../src/supervise/supervisor.ts';
import type { Lease } from '../../../src/supervise/supervisor-types.ts';
import { modelPolicy } from '../../helpers/policy-values.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

/** Parsed JSON: tests look into it and expect what they find. */
type Parsed = ReturnType<typeof JSON.parse>;

/** The versions whose binary interfaces are tested: one of each profile. */
export const VERSIONS = ['1.2.3', '1.3.0'] as const;

/** What a bed is made of; keys of `standIn` go into the model's stand-in, `environment` to its worker. */
export type BedOptions = {
  readonly version?: string;
  readonly standIn?: Readonly<Record<string, string | number>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly model?: Partial<ModelPolicy>;
  readonly deps?: Partial<RkllmDeps>;
  /** The supervisor's; the system's where not given. */
  readonly clock?: Clock;
  /** Ids of the models; all alike. */
  readonly ids?: readonly string[];
};

/** Writes a stand-in for a model; the name in it decides the family of its chat template. */
export function writeStandIn(path: string, given: Readonly<Record<string, string | number>> = {}): string {
  const values = {
    model: 'qwen3-0.6b',
    context: 4096,
    cores: 3,
    soc: 'rk3588',
    dtype: 'w8a8',
    toolkit: '1.2.1',
    ...given,
  };
  const lines = Object.entries(values).map(([key, value]) => `${key}=${value}`);
  writeFileSync(path, `RKLLM-SIM 1\n${lines.join('\n')}\n`);
  return path;
}

/** A real supervisor over real workers on the simulator, in a folder of its own; stopped with the test. */
export async function startNpu(options: BedOptions = {}) {
  const folder = temporaryFolder();
  const library = await buildSimulator(options.version ?? '1.3.0');
  const trace = join(folder, 'trace.jsonl');
  const faults = join(folder, 'faults');
  const ids = options.ids ?? ['npu'];
  const environment = { RKLLM_SIM_TRACE: trace, RKLLM_SIM_FAULT_FILE: faults, ...options.environment };
  const models = ids.map((id) =>
    modelPolicy(id, {
      runtime: runtimeId('npu'),
      file: writeStandIn(join(folder, `${id}.rkllm`), options.standIn),
      keep: { kind: 'idle', idleMs: 3_600_000 },
      ...options.model,
      settings: { ...options.model?.settings, environment },
    }),
  );
  const events: GatewayEvent[] = [];
  const supervisor = createSupervisor({
    clock: options.clock ?? systemClock,
    emit: (event) => events.push(event),
    adapters: new Map([['rkllm', createRkllmAdapter({ clock: systemClock, dataDir: folder, ...options.deps })]]),
    dataDir: folder,
    memoryBytes: () => ({ totalBytes: 8_000_000_000 }),
    measured: () => ({}),
  });
  onTestFinished(() => supervisor.stop(0));
  await supervisor.applyPolicy(npuPolicy(library, models));
  const acquire = (id = ids[0] ?? '') => supervisor.acquire(modelId(id), new AbortController().signal);
  return {
    supervisor,
    folder,
    events,
    acquire,
    /** Leases the model, asks, gives it back. */
    ask: async (body: object, id?: string, path?: string) => {
      const lease = await acquire(id);
      const reply = await talk(lease, body, path).whole;
      await lease.release(reply.error === undefined ? 'ok' : 'failed');
      return reply;
    },
    view: (id = ids[0] ?? '') => supervisor.views().get(modelId(id)),
    /** What the library was called with, oldest first. */
    calls: (name?: string): Parsed[] => {
      const lines = existsSync(trace) ? readFileSync(trace, 'utf8').trim().split('\n') : [];
      const calls = lines.filter((line) => line !== '').map((line) => JSON.parse(line));
      return name === undefined ? calls : calls.filter((call) => call.call === name);
    },
    /** Switches faults on, e.g. `abort:hang`; an empty text switches them off. */
    fault: (list: string) => writeFileSync(faults, list),
    states: () => events.flatMap((event) => (event.kind === 'child.state' ? [`${event.from}>${event.to}`] : [])),
    logs: () => supervisor.logs(modelId(ids[0] ?? '')),
  };
}

function npuPolicy(library: string, models: readonly ModelPolicy[]): Policy {
  const id = runtimeId('npu');
  const runtime = {
    id,
    kind: 'rkllm',
    device: 'npu',
    binary: undefined,
    benchBinary: undefined,
    library,
    settings: {},
  };
  return {
    file: '<test>',
    revision: 'test',
    machine: {
      memoryBytes: 8_000_000_000,
      reserveBytes: 0,
      environment: {},
      nodeHeapBytes: undefined,
      beforeStart: [],
    },
    runtimes: new Map([[id, runtime]]),
    models: new Map(models.map((model) => [model.id, model])),
    clients: [],
    // The supervisor reads nothing else.
  } as unknown as Policy;
}

/** Limits short enough for a test to see them pass. */
export const SHORT_LIMITS = { ...DEADLINES, loadFloorMs: 4_000, firstTokenFloorMs: 700, silenceMs: 700 };

/** What came of an exchange. */
export type TalkReply = {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly text: string;
  readonly error: GatewayError | undefined;
  readonly ignored: readonly string[];
};

/** Starts a chat (or what `path` says) through a lease. */
export function talk(lease: Lease, body: object, path = '/v1/chat/completions') {
  let exchange: Exchange = { abort: () => undefined, resume: () => undefined };
  let firstChunk: () => void = () => undefined;
  const began = new Promise<void>((resolve) => {
    firstChunk = resolve;
  });
  const whole = new Promise<TalkReply>((resolve) => {
    let status: number | undefined;
    let type: string | undefined;
    let text = '';
    let ignored: readonly string[] = [];
    const settle = (error?: GatewayError) => resolve({ status, type, text, error, ignored });
    exchange = lease.connection.exchange(path, JSON.stringify({ messages: USER, ...body }), {
      head: (code, contentType) => {
        status = code;
        type = contentType;
      },
      chunk: (bytes) => {
        text += bytes.toString();
        firstChunk();
        return true;
      },
      end: () => settle(),
      failed: settle,
      ignored: (fields) => {
        ignored = fields;
      },
    });
  });
  return { exchange, began, whole };
}

const USER = [{ role: 'user', content: 'hello' }];

/** The JSON events of a stream's text, without `[DONE]`. */
export const eventsOf = (text: string): Parsed[] =>
  text.split('\n\n').flatMap((event) => (event.startsWith('data: {') ? [JSON.parse(event.slice(6))] : []));

/** The words of a reply, streamed or whole. */
export function contentOf(text: string): string {
  if (!text.startsWith('data: ')) return JSON.parse(text).choices[0].message.content;
  return eventsOf(text)
    .map((event) => event.choices[0]?.delta?.content ?? '')
    .join('');
}
