import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { GatewayEvent } from '../../src/core/events.ts';
import { modelId, runtimeId } from '../../src/core/ids.ts';
import type { Policy } from '../../src/core/policy.ts';
import type { Profile } from '../../src/core/profile.ts';
import type { RuntimeConnection } from '../../src/core/runtime.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
// Loaded beforehand: the first measurement would wait for it in real time, which the clock of these tests does not know.
import '../../src/bench/measure-idle.ts';
import { createIdleBench } from '../../src/serve/idle-bench.ts';
import { modelKey } from '../../src/store/model-key.ts';
import { openStore } from '../../src/store/open-store.ts';
import { createLanes } from '../../src/supervise/lane.ts';
import type { SupervisedModel } from '../../src/supervise/supervisor-types.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { modelFacts } from '../helpers/policy-values.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const ID = modelId('a');

type Given = {
  readonly idle?: string;
  readonly residency?: string;
  readonly celsius?: number;
  readonly isDrifting?: boolean;
};

/** A gateway's parts around one loaded model whose engine answers at once, 2 ms per prompt token and 50 ms per token. */
function setUp(given: Given = {}) {
  const folder = temporaryFolder();
  const file = join(folder, 'a.gguf');
  writeFileSync(file, 'weights');
  const text = {
    version: 1,
    runtimes: { llama: { kind: 'llama-server', device: 'cpu' } },
    models: { a: { runtime: 'llama', file } },
    bench: { idle: given.idle ?? { after: '2m' } },
  };
  const policy: Policy = parsePolicy(JSON.stringify(text), '<builtin>');
  const clock = fakeClock();
  const store = openStore(join(folder, 'sluice.db'), { clock });
  onTestFinished(() => store.close());
  const lanes = createLanes({ clock });
  lanes.configure(policy.devices.values(), 4);
  const seen = { requests: 0, aborted: 0, released: [] as string[], probes: 0, lost: 0, remeasured: 0 };
  const notices: string[] = [];
  let onRequest: (count: number) => 'answer' | 'hang' = () => 'answer';
  const connection: RuntimeConnection = {
    ...{ ready: async () => {}, canary: async () => {}, idle: async () => {}, close: () => {} },
    exchange: (_, body, sink) => {
      const question = JSON.parse(String(body)) as { messages: { content: string }[]; max_tokens: number };
      seen.requests += 1;
      let isAborted = false;
      queueMicrotask(() => {
        if (onRequest(seen.requests) === 'hang' || isAborted) return;
        const promptTokens = question.messages[0]!.content.length / 4 + 10;
        const send = (json: string) => sink.chunk(Buffer.from(`data: ${json}\n\n`));
        sink.head(200, 'text/event-stream');
        clock.advance(20 + promptTokens * 2);
        for (let index = 0; index < question.max_tokens; index += 1) {
          clock.advance(50);
          send('{"choices":[{"delta":{"content":"x"}}]}');
        }
        const timings = {
          ...{ prompt_ms: promptTokens * 2, predicted_ms: question.max_tokens * 50, cache_n: 0 },
          ...{ prompt_n: promptTokens, predicted_n: question.max_tokens },
        };
        send(`{"choices":[{"finish_reason":"length","delta":{}}],"timings":${JSON.stringify(timings)}}`);
        sink.chunk(Buffer.from('data: [DONE]\n\n'));
        sink.end();
      });
      const abort = () => {
        isAborted = true;
        seen.aborted += 1;
      };
      return { abort, resume: () => {} };
    },
  };
  const view = {
    ...{ availability: { kind: 'available' }, facts: modelFacts(), residency: { kind: given.residency ?? 'ready' } },
    ...{ parallel: 1, pid: process.pid, memoryBytes: 1e9, runtimeVersion: 'build 1' },
  } as unknown as SupervisedModel;
  let isDrifting = given.isDrifting ?? false;
  let stale: readonly string[] = isDrifting ? [] : ['kernel: 1 then, 2 now'];
  const measured: Profile = Object.fromEntries(
    ['prefillTokensPerSec', 'decodeTokensPerSec'].map((metric) => [
      metric,
      { value: 1, n: 5, source: 'x', provenance: 'measured', at: new Date(clock.nowMs()).toISOString() },
    ]),
  );
  const bench = createIdleBench({
    ...{ clock, store, lanes, sluiceVersion: '0', policy: () => policy },
    emit: (event: GatewayEvent) => void (event.kind === 'gateway.notice' && notices.push(event.message)),
    supervisor: {
      views: () => new Map([[ID, view]]),
      tryAcquire: () => ({
        ...{ model: ID, connection, loadMs: 0, cold: false },
        release: async (how) => void seen.released.push(how),
        ...{ pausable: false, pause: () => false, resume: () => undefined },
      }),
    },
    watch: {
      ...{ staleOf: () => stale, coRunOf: () => [], hottest: () => given.celsius, look: () => {}, close: () => {} },
    },
    ...{ profileOf: () => measured, isDrifting: () => isDrifting },
    cachesLost: () => {
      seen.lost += 1;
    },
    probed: () => {
      seen.probes += 1;
    },
    remeasured: () => {
      seen.remeasured += 1;
      stale = [];
      isDrifting = false;
    },
  });
  onTestFinished(() => bench.close());
  /** Moves time on in steps, letting whatever was started go on in between. */
  const pass = async (durationMs: number) => {
    for (let passedMs = 0; passedMs < durationMs; passedMs += 1_000) {
      clock.advance(1_000);
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const answerBy = (how: typeof onRequest) => {
    onRequest = how;
  };
  const key = modelKey(policy.models.get(ID)!)!;
  const request = { device: 'cpu', class: 'interactive', model: ID, deadlineMs: Infinity, predictedMs: 1 } as const;
  return { bench, pass, seen, notices, lanes, store, key, request, answerBy, runtime: runtimeId('llama') };
}

describe('createIdleBench', () => {
  test('measures the model of a device that has become slower than its figures, once', async () => {
    const { pass, seen, notices } = setUp({ isDrifting: true });
    await pass(119_000);
    expect(seen.requests).toBe(0);
    await pass(180_000);
    expect(seen.remeasured).toBe(1);
    expect(notices.join('\n')).toMatch(/was measured in idle time \(.*slower/);
    const { requests } = seen;
    await pass(600_000);
    expect(seen.requests).toBe(requests);
  });

  test('measures a stale model once nobody has asked for long enough, and stores a measured run', async () => {
    const { bench, pass, seen, notices, store, key } = setUp();
    await pass(119_000);
    expect(seen.requests).toBe(0);
    expect(bench.status()).toEqual({ kind: 'busy' });
    await pass(60_000);
    expect(seen).toMatchObject({ aborted: 0, released: ['ok'], probes: 1, lost: 1, remeasured: 1 });
    const figures = Object.fromEntries(store.profileRows(key).map(({ metric, figure }) => [metric, figure]));
    expect(figures.prefillTokensPerSec).toMatchObject({ provenance: 'measured', value: expect.closeTo(500, 0), n: 5 });
    expect(figures.decodeTokensPerSec).toMatchObject({ provenance: 'measured', value: expect.closeTo(20, 0) });
    expect(figures.decodeTokensPerSec?.fingerprint).toBeDefined();
    expect(notices).toEqual([
      expect.stringMatching(/^a was measured in idle time \(kernel: 1 then, 2 now\): prefill 500/),
    ]);
    const { requests } = seen;
    await pass(300_000);
    expect(seen.requests).toBe(requests);
    expect(bench.status()).toEqual({ kind: 'nothing_to_do' });
  });

  test('a request that arrives ends it at once, and what was measured is gone on with later', async () => {
    const { bench, pass, seen, lanes, request, answerBy } = setUp();
    answerBy((count) => (count === 8 ? 'hang' : 'answer'));
    await pass(130_000);
    expect(bench.status()).toMatchObject({ kind: 'measuring', model: ID });
    expect(seen.requests).toBe(8);
    const ticket = await lanes.admit(request, new AbortController().signal);
    expect(seen).toMatchObject({ aborted: 1, released: ['aborted'] });
    ticket.release();
    answerBy(() => 'answer');
    await pass(110_000);
    expect(seen.requests).toBe(8);
    await pass(80_000);
    expect(seen).toMatchObject({ released: ['aborted', 'ok'], remeasured: 1 });
    // A probe, and of five rounds of six requests the four that were missing.
    expect(seen.requests).toBe(8 + 1 + 4 * 6);
  });

  test('does not begin while a request runs, however long', async () => {
    const { pass, seen, lanes, request } = setUp();
    const ticket = lanes.tryAdmit(request);
    await pass(400_000);
    expect(seen.requests).toBe(0);
    ticket?.release();
  });

  test.each([
    ['the policy switches it off', { idle: 'off' }, 'off'],
    ['the machine is hot', { celsius: 80 }, 'too_hot'],
    ['the model is not loaded', { residency: 'stopped' }, 'nothing_to_do'],
  ])('does nothing where %s', async (_, given, kind) => {
    const { bench, pass, seen } = setUp(given);
    await pass(200_000);
    expect(seen.requests).toBe(0);
    expect(bench.status().kind).toBe(kind);
  });

  test('a model that fails is left alone for ten times the idle time', async () => {
    const { pass, seen, notices, answerBy } = setUp();
    answerBy((count) => (count === 1 ? 'hang' : 'answer'));
    // The probe hangs for its whole time limit, which fails it.
    await pass(1_000_000);
    expect(notices[0]).toMatch(/a could not be measured in idle time: a did not answer within/);
    const { requests } = seen;
    await pass(600_000);
    expect(seen.requests).toBe(requests);
    await pass(900_000);
    expect(seen.remeasured).toBe(1);
  });

  test('closing stops what is being measured', async () => {
    const { bench, pass, seen, answerBy } = setUp();
    answerBy(() => 'hang');
    await pass(125_000);
    expect(bench.status().kind).toBe('measuring');
    await bench.close();
    expect(seen).toMatchObject({ aborted: 1, released: ['aborted'] });
  });
});
