import { runtimeId } from '../../src/core/ids.ts';
import type { ModelPolicy, Policy } from '../../src/core/policy.ts';
import { modelPolicy } from './policy-values.ts';

/** A model run by a real llama-server, with the winning settings as far as a small machine allows. */
export function llamaModel(id: string, file: string, given: Partial<ModelPolicy> = {}): ModelPolicy {
  return modelPolicy(id, {
    file,
    keep: { kind: 'idle', idleMs: 3_600_000 },
    ...given,
    settings: {
      cpus: [0, 1],
      threads: 2,
      context: 2048,
      parallel: 1,
      jinja: true,
      reasoningBudget: 0,
      cacheTypeK: 'f16',
      cacheTypeV: 'f16',
      flashAttention: 'on',
      ubatch: 64,
      ...given.settings,
    },
  });
}

/** A policy with one llama-server runtime; holds only what the supervisor reads. */
export function llamaPolicy(binary: string, models: readonly ModelPolicy[], memoryBytes?: number): Policy {
  const llama = runtimeId('llama');
  return {
    file: '<test>',
    revision: 'test',
    machine: { memoryBytes, reserveBytes: 0, environment: {}, nodeHeapBytes: undefined, beforeStart: [] },
    runtimes: new Map([
      [
        llama,
        {
          id: llama,
          kind: 'llama-server',
          device: 'cpu',
          binary,
          benchBinary: undefined,
          library: undefined,
          settings: {},
        },
      ],
    ]),
    models: new Map(models.map((model) => [model.id, model])),
    clients: [],
  } as unknown as Policy;
}
