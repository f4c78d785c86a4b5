import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { connectLlamaServer } from '../../runtimes/llama-server/connection.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { GatewayEvent } from '../../src/core/events.ts';
import { modelId, runtimeId } from '../../src/core/ids.ts';
import type { ModelPolicy, Policy } from '../../src/core/policy.ts';
import type { RuntimeAdapter } from '../../src/core/runtime.ts';
import { createSupervisor, type SupervisorDeps } from '../../src/supervise/supervisor.ts';
import type { Lease, Supervisor } from '../../src/supervise/supervisor-types.ts';
import { modelFacts, modelPolicy } from '../helpers/policy-values.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

/** Real time, run faster: a second of waiting is over in 1/`factor` s. Real processes keep their own pace. */
export function hurriedClock(factor: number): Clock {
  return {
    nowMs: () => systemClock.nowMs(),
    monotonicMs: () => systemClock.monotonicMs() * factor,
    after: (delayMs, callback) => systemClock.after(delayMs / factor, callback),
    sleep: (delayMs, signal) => systemClock.sleep(delayMs / factor, signal),
    randomHex: (bytes) => systemClock.randomHex(bytes),
  };
}

/** Keeps every event, and lets a test wait for one. */
export function eventLog() {
  const events: GatewayEvent[] = [];
  const waiting = new Set<() => void>();
  return {
    events,
    emit: (event: GatewayEvent) => {
      events.push(event);
      for (const look of [...waiting]) look();
    },
    /** Resolves when the condition holds; looked at after every event. */
    until: (holds: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        const look = () => {
          if (!holds()) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    /** `from>to` of every state change of a model, in order. */
    states: (id: string): readonly string[] =>
      events.flatMap((event) =>
        event.kind === 'child.state' && event.model === id ? [`${event.from}>${event.to}`] : [],
      ),
  };
}

const ENGINE = join(import.meta.dirname, '../fixtures/children/engine.js');

/** Runs the engine fixture; a model's environment says how it misbehaves, its `context` how many bytes it needs. */
export function engineAdapter(clock: Clock): RuntimeAdapter {
  return {
    kind: 'engine',
    inspect: async (model) => ({
      availability: { kind: 'available' },
      facts: modelFacts({ weightsBytes: 1000, estimatedMemoryBytes: model.settings.context ?? 1 }),
      runtimeVersion: '1',
    }),
    launch: async (model, _runtime, endpoint) => {
      if (model.settings.extraArgs?.includes('--unknown'))
        throw new GatewayError('invalid_config', 'no flag --unknown');
      return {
        command: process.execPath,
        args: [ENGINE, String(endpoint.port)],
        environment: { ...model.settings.environment },
      };
    },
    connect: (model, endpoint) => connectLlamaServer(model, endpoint, { clock }),
    explainExit: (lines) => {
      const line = lines.find((text) => text.includes('hopeless'));
      return line === undefined ? undefined : { reason: `it says: ${line}`, permanent: true };
    },
  };
}

/** A model run by the engine fixture. Its file exists. */
export function engineModel(id: string, given: Partial<ModelPolicy> = {}): ModelPolicy {
  return modelPolicy(id, {
    runtime: runtimeId('engine'),
    file: ENGINE,
    keep: { kind: 'idle', idleMs: 3_600_000 },
    ...given,
  });
}

/** A policy of these models; `memoryBytes` is what all children may take. */
export function enginePolicy(models: readonly ModelPolicy[], memoryBytes = 1_000_000_000): Policy {
  return {
    file: '<test>',
    revision: 'test',
    machine: { memoryBytes, reserveBytes: 0, environment: {}, nodeHeapBytes: undefined, beforeStart: [] },
    runtimes: new Map([
      [
        runtimeId('engine'),
        {
          id: runtimeId('engine'),
          kind: 'engine',
          device: 'cpu',
          binary: undefined,
          benchBinary: undefined,
          library: undefined,
          settings: {},
        },
      ],
    ]),
    models: new Map(models.map((model) => [model.id, model])),
    clients: [],
    // The supervisor reads nothing else.
  } as unknown as Policy;
}

/** A supervisor over engine fixtures in a folder of its own; stopped with the test. */
export function startSupervisor(given: Partial<SupervisorDeps> & { readonly hurry?: number } = {}) {
  const clock = given.clock ?? hurriedClock(given.hurry ?? 1);
  const log = eventLog();
  const dataDir = given.dataDir ?? temporaryFolder();
  const supervisor = createSupervisor({
    clock,
    emit: log.emit,
    adapters: new Map([['engine', engineAdapter(clock)]]),
    dataDir,
    memoryBytes: () => ({ totalBytes: 1_000_000_000 }),
    measured: () => ({}),
    ...given,
  });
  onTestFinished(() => supervisor.stop(0));
  return { supervisor, log, dataDir };
}

const NEVER = new AbortController().signal;

/** A lease without a time limit of its own. */
export const acquire = (supervisor: Supervisor, id: string, signal = NEVER): Promise<Lease> =>
  supervisor.acquire(modelId(id), signal);

/** The model's record. */
export function viewOf(supervisor: Supervisor, id: string) {
  const view = supervisor.views().get(modelId(id));
  if (view === undefined) throw new Error(`no model ${id}`);
  return view;
}

/** Sends one chat completion through a lease; resolves with status and text, rejects where the child broke off. */
export function generate(lease: Lease): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let text = '';
    lease.connection.exchange('/v1/chat/completions', JSON.stringify({ messages: [], max_tokens: 8 }), {
      head: (code) => {
        status = code;
      },
      chunk: (bytes) => {
        text += bytes.toString();
        return true;
      },
      end: () => resolve({ status, text }),
      failed: reject,
    });
  });
}

/** True while a process with this pid runs (a zombie does not). */
export function processRuns(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Creates an empty file: the fixture's switches are files. */
export const touch = (path: string): void => writeFileSync(path, '');
