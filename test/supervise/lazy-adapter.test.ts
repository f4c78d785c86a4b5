import { describe, expect, it } from 'vitest';
import type { ModelPolicy, RuntimePolicy } from '../../src/core/policy.ts';
import type { ChildEndpoint, RuntimeAdapter, RuntimeConnection } from '../../src/core/runtime.ts';
import { lazyAdapter } from '../../src/supervise/lazy-adapter.ts';

const MODEL = { id: 'small' } as unknown as ModelPolicy;
const RUNTIME = {} as RuntimePolicy;
const ENDPOINT: ChildEndpoint = { port: 1, apiKey: 'key' };
const CONNECTION = {} as RuntimeConnection;

const adapter = (more: Partial<RuntimeAdapter> = {}): RuntimeAdapter => ({
  kind: 'llama-server',
  inspect: async () => ({ availability: { kind: 'available' }, facts: undefined, runtimeVersion: '1' }),
  launch: async () => ({ command: 'program', args: [], environment: {} }),
  connect: () => CONNECTION,
  ...more,
});

describe('lazyAdapter', () => {
  it('loads nothing before a model of its kind is looked at, and then once', async () => {
    let loads = 0;
    const lazy = lazyAdapter('llama-server', async () => {
      loads += 1;
      return adapter();
    });
    expect([lazy.kind, loads]).toEqual(['llama-server', 0]);
    const [first, second] = await Promise.all([lazy.inspect(MODEL, RUNTIME), lazy.inspect(MODEL, RUNTIME)]);
    expect([first.runtimeVersion, second.runtimeVersion, loads]).toEqual(['1', '1', 1]);
    expect((await lazy.launch(MODEL, RUNTIME, ENDPOINT)).command).toBe('program');
    expect([lazy.connect(MODEL, ENDPOINT), loads]).toEqual([CONNECTION, 1]);
  });

  it('has what its kind has beyond the contract, and leaves out what that leaves out', async () => {
    const rich = lazyAdapter('rkllm', async () =>
      adapter({
        slackMs: 7,
        loadDeadlineMs: (bytes) => bytes * 2,
        explainExit: ([line]) => ({ reason: line ?? '', permanent: true }),
      }),
    );
    const plain = lazyAdapter('llama-server', async () => adapter());
    await Promise.all([rich.inspect(MODEL, RUNTIME), plain.inspect(MODEL, RUNTIME)]);
    expect([rich.slackMs, rich.loadDeadlineMs?.(4), rich.explainExit?.(['no memory'])?.reason]).toEqual([
      7,
      8,
      'no memory',
    ]);
    expect([plain.slackMs, plain.loadDeadlineMs, plain.explainExit]).toEqual([undefined, undefined, undefined]);
  });

  it('refuses to connect to what was never launched', () => {
    const lazy = lazyAdapter('llama-server', async () => adapter());
    expect(() => lazy.connect(MODEL, ENDPOINT)).toThrow(/small was never launched/);
  });
});
