import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { benchModels } from '../../src/bench/bench-models.ts';
import type { BenchOptions } from '../../src/bench/bench-options.ts';
import type { BenchProgress, BenchTarget } from '../../src/bench/bench-target.ts';
import { findRun } from '../../src/bench/compare-runs.ts';
import { importBench } from '../../src/bench/import-bench.ts';
import type { PageCache } from '../../src/bench/page-cache.ts';
import { promptText } from '../../src/bench/prompt-text.ts';
import { benchDocumentSchema } from '../../src/bench/result.ts';
import { findOpenRun } from '../../src/bench/run-plan.ts';
import { saveBench, writeResultFile } from '../../src/bench/save-bench.ts';
import { deepTokensOf, planOf, requestTimeoutMs } from '../../src/bench/served-plan.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { type ModelId, modelId, runtimeId } from '../../src/core/ids.ts';
import type { ModelPolicy, Policy, RuntimePolicy } from '../../src/core/policy.ts';
import type { RuntimeConnection } from '../../src/core/runtime.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { modelKey } from '../../src/store/model-key.ts';
import { openStore } from '../../src/store/open-store.ts';
import { type FakeClock, fakeClock } from '../helpers/fake-clock.ts';
import { modelFacts, modelPolicy } from '../helpers/policy-values.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

type Speed = {
  readonly loadMs: number;
  readonly fixedMs: number;
  readonly prefillMs: number;
  readonly tokenMs: number;
  readonly prefillContextMs?: number;
  readonly tokenContextMs?: number;
};
type Misbehaviour = {
  readonly fails?: string;
  readonly cachedTokens?: number;
  readonly status?: number;
  readonly onRequest?: (count: number) => void;
};

/**
 * A supervisor whose models take exactly the time they are told to, on the test's clock: one character is a quarter
 * of a token, the template adds ten.
 */
function exactTarget(clock: FakeClock, speeds: Readonly<Record<string, Speed & Misbehaviour>>) {
  const calls: string[] = [];
  const prompts: string[] = [];
  const loaded = new Set<ModelId>();
  const connection = (model: ModelId, speed: Speed & Misbehaviour): RuntimeConnection => ({
    ready: async () => {},
    canary: async () => {},
    idle: async () => {},
    close: () => {},
    exchange: (path, body, sink) => {
      const question = JSON.parse(String(body)) as { messages: { content: string }[]; max_tokens: number };
      const text = question.messages[0]!.content;
      prompts.push(text);
      calls.push(`${path} ${model}`);
      let aborted = false;
      queueMicrotask(() => {
        speed.onRequest?.(prompts.length);
        if (aborted) return;
        if (speed.status !== undefined) {
          sink.head(speed.status, 'application/json');
          sink.chunk(Buffer.from('{"error":{"message":"no"}}'));
          sink.end();
          return;
        }
        const promptTokens = text.length / 4 + 10;
        const send = (json: string) => sink.chunk(Buffer.from(`data: ${json}\n\n`));
        sink.head(200, 'text/event-stream');
        send('{"choices":[{"delta":{"role":"assistant","content":null}}]}');
        const { prefillContextMs = 0, tokenContextMs = 0 } = speed;
        clock.advance(speed.fixedMs + promptTokens * (speed.prefillMs + (prefillContextMs * promptTokens) / 2));
        // What core/service-model.ts says of the whole answer, spread evenly over its gaps.
        const gapMs = speed.tokenMs + tokenContextMs * (promptTokens + question.max_tokens / 2);
        for (let index = 0; index < question.max_tokens; index += 1) {
          if (index > 0) clock.advance(gapMs);
          send('{"choices":[{"delta":{"content":"x"}}]}');
        }
        const prompt_ms = promptTokens * speed.prefillMs;
        const predicted_ms = question.max_tokens * speed.tokenMs;
        const timings = {
          prompt_ms,
          predicted_ms,
          cache_n: speed.cachedTokens ?? 0,
          prompt_n: promptTokens,
          predicted_n: question.max_tokens,
        };
        send(`{"choices":[{"finish_reason":"length","delta":{}}],"timings":${JSON.stringify(timings)}}`);
        sink.chunk(Buffer.from('data: [DONE]\n\n'));
        sink.end();
      });
      const abort = () => {
        aborted = true;
      };
      return { abort, resume: () => {} };
    },
  });
  const target: BenchTarget = {
    views: () =>
      new Map(
        Object.keys(speeds).map((id) => [
          modelId(id),
          {
            availability: { kind: 'available' },
            facts: modelFacts(),
            runtimeVersion: '1 (test)',
            pid: process.pid,
            memoryBytes: 1e9,
          },
        ]),
      ),
    load: async (model, signal) => {
      signal.throwIfAborted();
      const speed = speeds[model]!;
      if (speed.fails !== undefined) throw new GatewayError('start_failed', speed.fails);
      clock.advance(speed.loadMs);
      loaded.add(model);
      calls.push(`load ${model}`);
    },
    unload: async (model) => {
      if (loaded.delete(model)) calls.push(`unload ${model}`);
    },
    memory: () => ({ budgetBytes: 8e9 }),
    acquire: async (model, signal) => {
      signal.throwIfAborted();
      expect([...loaded]).toEqual([model]);
      return {
        connection: connection(model, speeds[model]!),
        release: async (how) => void calls.push(`release ${how} ${model}`),
      };
    },
  };
  return { target, calls, prompts };
}

/** A cache that always holds every file and gives none up: loads are what the target says. */
const everythingCached: PageCache = {
  residentShare: async () => 1,
  drop: async () => false,
  readBytesPerSec: async () => undefined,
};

const quick: Speed = { loadMs: 800, fixedMs: 30, prefillMs: 2, tokenMs: 50 };

function setUp(speeds: Readonly<Record<string, Speed & Misbehaviour>>, given: Partial<BenchOptions> = {}) {
  const folder = temporaryFolder();
  const clock = fakeClock();
  const store = openStore(join(folder, 'sluice.db'), { clock });
  onTestFinished(() => store.close());
  const models = new Map<ModelId, ModelPolicy>(
    Object.keys(speeds).map((id) => {
      const file = join(folder, `${id}.gguf`);
      writeFileSync(file, `weights of ${id}`);
      return [modelId(id), modelPolicy(id, { file })];
    }),
  );
  const builtin = parsePolicy('version: 1\n', '<builtin>');
  const runtime: RuntimePolicy = {
    id: runtimeId('llama'),
    kind: 'other-kind',
    device: 'cpu',
    binary: undefined,
    benchBinary: undefined,
    library: undefined,
    settings: {},
  };
  const policy: Policy = { ...builtin, models, runtimes: new Map([[runtime.id, runtime]]) };
  const { target, calls, prompts } = exactTarget(clock, speeds);
  const steps: BenchProgress[] = [];
  const options: BenchOptions = {
    policy,
    models: [...models.keys()],
    target,
    store,
    clock,
    signal: new AbortController().signal,
    sluiceVersion: '0.0.0-test',
    directory: join(folder, 'results'),
    settleMs: 0,
    coldLoads: false,
    pageCache: everythingCached,
    onProgress: (step) => steps.push(step),
    ...given,
  };
  return { folder, clock, store, policy, calls, prompts, steps, options };
}

/** Waits for `work` while the clock is touched again and again: sleeps of the code under test end only then. */
async function pumped<Value>(clock: FakeClock, work: Promise<Value>): Promise<Value> {
  let isDone = false;
  const done = () => {
    isDone = true;
  };
  work.then(done, done);
  while (!isDone) {
    clock.advance(0);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return work;
}

describe('benchModels', () => {
  test('gives back what the model was made of', async () => {
    const { options, clock } = setUp({ a: quick });
    const { document } = await pumped(clock, benchModels(options));
    const result = document.models[0]!;
    expect(result.outcome).toBe('measured');
    const figures = Object.fromEntries(result.figures.map((figure) => [figure.metric, figure.value]));
    expect(figures).toMatchObject({ loadMs: 800 });
    expect(figures.prefillTokensPerSec).toBeCloseTo(500);
    expect(figures.prefillFixedMs).toBeCloseTo(30);
    expect(figures.decodeTokensPerSec).toBeCloseTo(20);
    expect(figures.charsPerToken).toBeCloseTo(4);
    expect(figures.templateTokens).toBeCloseTo(10);
    expect(figures.peakMemoryBytes).toBeGreaterThan(1e6);
    expect(result.series.every((series) => !series.provisional)).toBe(true);
  });

  test('the JSON file, the database and the returned document say the same', async () => {
    const { options, store, clock, policy } = setUp({ a: quick });
    const { document, file } = await pumped(clock, benchModels(options));
    const read = benchDocumentSchema.parse(JSON.parse(readFileSync(file!, 'utf8')));
    expect(read).toEqual(JSON.parse(JSON.stringify(document)));
    expect(JSON.parse(store.benchRuns()[0]!.document)).toEqual(read);
    const key = modelKey(policy.models.get(modelId('a'))!)!;
    const rows = store.profileRows(key);
    expect(rows.map((row) => [row.metric, row.figure.value])).toEqual(
      read.models[0]!.figures.map((figure) => [figure.metric, figure.value]),
    );
    expect(file).toMatch(/results\/[a-z0-9-]+\/2026-11-20-\w{6}\.json$/);
    expect(existsSync(`${file}.part`)).toBe(false);
  });

  test('no two prompts share a beginning, and the lengths take turns', async () => {
    const { options, prompts, clock } = setUp({ a: quick }, { repetitions: 3 });
    await pumped(clock, benchModels(options));
    const beginnings = prompts.map((prompt) => prompt.slice(0, 17));
    expect(new Set(beginnings).size).toBe(prompts.length);
    // Six prompts a round: two that warm the child up, one of each length, the extra long one.
    const rounds = [0, 6, 12].map((first) => prompts.slice(first + 2, first + 5).map((prompt) => prompt.length));
    const [short, middle, long] = rounds[0]!;
    expect(rounds).toEqual([
      [short, middle, long],
      [middle, long, short],
      [long, short, middle],
    ]);
  });

  test('the decode rate behind a prompt of three quarters of the context is measured where its prefill is quick', async () => {
    const { options, clock } = setUp({ fast: quick, slow: { ...quick, prefillMs: 160 } }, { repetitions: 2 });
    const { document } = await pumped(clock, benchModels(options));
    const depths = document.models.map(({ series }) =>
      series.filter(({ metric }) => metric === 'decodeAtDepthTokensPerSec').map((one) => Math.round(one.promptTokens!)),
    );
    expect(depths).toEqual([
      [64, 256, 512, 1_536],
      [64, 256, 512],
    ]);
    const off = await pumped(clock, benchModels({ ...options, depths: false }));
    const long = off.document.models[0]!.series.filter(({ metric }) => metric === 'decodeAtDepthTokensPerSec');
    expect(long).toHaveLength(3);
  });

  test("the runtime's own figures stand beside ours and stay out of the profile", async () => {
    const { options, clock } = setUp({ a: quick });
    const { document } = await pumped(clock, benchModels(options));
    const result = document.models[0]!;
    const own = result.series.filter(({ side }) => side === 'runtime');
    expect(own.map(({ metric }) => metric)).toEqual([
      ...['runtimePrefillMs', 'runtimePrefillMs', 'runtimePrefillMs'],
      ...['runtimePrefillTokensPerSec', 'runtimeDecodeTokensPerSec'],
    ]);
    const ttft = result.series.filter(({ metric }) => metric === 'ttftMs');
    for (const [index, one] of ttft.entries()) expect(one.value - own[index]!.value).toBeCloseTo(quick.fixedMs);
    expect(result.figures.every(({ side }) => side === 'served')).toBe(true);
  });

  test('raw figures of a runtime without a raw program are unavailable, with what to do', async () => {
    const { options, clock } = setUp({ a: quick }, { sides: 'raw' });
    const { document } = await pumped(clock, benchModels(options));
    expect(document.models[0]).toMatchObject({
      outcome: 'unavailable',
      reason: 'runtimes of kind other-kind have no raw benchmark program',
      remedy: expect.stringContaining('--raw-only'),
    });
  });

  test('one model at a time is loaded, and none is left', async () => {
    const { options, calls, clock } = setUp({ a: quick, b: quick }, { repetitions: 1 });
    await pumped(clock, benchModels(options));
    expect(calls.filter((call) => !call.startsWith('/v1'))).toEqual([
      'load a',
      'release ok a',
      'unload a',
      'load b',
      'release ok b',
      'unload b',
    ]);
  });

  test('models take turns, round by round', async () => {
    const { options, calls, clock } = setUp({ a: quick, b: quick }, { repetitions: 2 });
    await pumped(clock, benchModels(options));
    expect(calls.filter((call) => call.startsWith('load'))).toEqual(['load a', 'load b', 'load a', 'load b']);
  });

  test('coefficients of growing costs come out of a model that has them', async () => {
    const growing = { ...quick, prefillContextMs: 0.004, tokenContextMs: 0.01 };
    const { options, clock } = setUp({ a: growing });
    const { document } = await pumped(clock, benchModels(options));
    const figures = Object.fromEntries(document.models[0]!.figures.map((figure) => [figure.metric, figure.value]));
    expect(figures.prefillTokensPerSec).toBeCloseTo(500, 0);
    expect(figures.prefillContextMs).toBeCloseTo(0.004, 4);
    expect(figures.prefillFixedMs).toBeCloseTo(30, 0);
    expect(figures.decodeTokensPerSec).toBeCloseTo(20, 1);
    expect(figures.decodeContextMs).toBeCloseTo(0.01, 4);
  });

  test('loads from storage are told from loads out of the page cache', async () => {
    const { options, clock, folder } = setUp({ a: quick });
    let isCached = true;
    const pageCache: PageCache = {
      residentShare: async () => (isCached ? 1 : 0),
      drop: async (file) => {
        expect(file).toBe(join(folder, 'a.gguf'));
        isCached = false;
        return true;
      },
      readBytesPerSec: async () => 40e6,
    };
    const load = options.target.load;
    options.target.load = async (model, signal) => {
      if (!isCached) clock.advance(30_000);
      isCached = true;
      await load(model, signal);
    };
    const { document } = await pumped(clock, benchModels({ ...options, coldLoads: true, pageCache }));
    const figures = Object.fromEntries(document.models[0]!.figures.map((figure) => [figure.metric, figure]));
    expect(figures.loadMs).toMatchObject({ value: 800, n: 5 });
    expect(figures.loadColdMs).toMatchObject({ value: 30_800, n: 3 });
    expect(document.models[0]?.fingerprint?.notes?.['storage read, MB/s']).toBe('40');
  });

  test('a file another model has pushed out of the page cache is brought back before its load counts', async () => {
    const { options, clock } = setUp({ a: quick }, { repetitions: 1 });
    let loads = 0;
    const pageCache: PageCache = { ...everythingCached, residentShare: async () => (loads === 0 ? 0.4 : 1) };
    const load = options.target.load;
    options.target.load = async (model, signal) => {
      if (loads === 0) clock.advance(9_000);
      loads += 1;
      await load(model, signal);
    };
    const { document } = await pumped(clock, benchModels({ ...options, pageCache }));
    expect(document.models[0]?.series.find(({ metric }) => metric === 'loadMs')?.samples).toEqual([800]);
  });

  test('a page cache that keeps the file is said once and costs nothing else', async () => {
    const { options, clock } = setUp({ a: quick });
    const { document } = await pumped(clock, benchModels({ ...options, coldLoads: true }));
    expect(document.models[0]?.outcome).toBe('measured');
    expect(document.models[0]?.warnings.filter((warning) => warning.includes('page cache'))).toHaveLength(1);
  });

  test('a run that was broken off is gone on with, and nothing is measured twice', async () => {
    const controller = new AbortController();
    const broken = { ...quick, onRequest: (count: number) => count === 11 && controller.abort(new Error('killed')) };
    const first = setUp({ a: broken }, { signal: controller.signal });
    const before = await pumped(first.clock, benchModels(first.options));
    expect(before.document).toMatchObject({ complete: false, models: [{ outcome: 'aborted' }] });
    const kept = before.document.models[0]!.samples!;
    expect(kept.filter(({ kind }) => kind === 'request').length).toBeGreaterThan(4);

    const resume = findOpenRun(first.store, first.policy);
    const prompts = first.prompts.length;
    const again = { ...first.options, signal: new AbortController().signal, repetitions: 99, resume };
    const after = await pumped(first.clock, benchModels(again));
    expect(after.document).toMatchObject({ id: before.document.id, complete: true, models: [{ outcome: 'measured' }] });
    expect(after.document.models[0]!.samples!.slice(0, kept.length)).toEqual(kept);
    expect(after.document.models[0]!.series.find(({ metric }) => metric === 'prefillTokensPerSec')?.n).toBe(5);
    // Five rounds of four prompts and two that warm up; what the first run measured is not asked again.
    expect(first.prompts.length - prompts).toBe(20 + 2 * 4 - kept.filter(({ kind }) => kind === 'request').length);
    expect(first.store.benchRuns()).toHaveLength(1);
    expect(() => findOpenRun(first.store, first.policy)).toThrow(/no run was broken off; nothing can be resumed/);
  });

  test('a run whose model has changed since cannot be gone on with', async () => {
    const controller = new AbortController();
    const broken = { ...quick, onRequest: (count: number) => count === 4 && controller.abort(new Error('killed')) };
    const { options, clock, store, policy, folder } = setUp({ a: broken }, { signal: controller.signal });
    const { document } = await pumped(clock, benchModels(options));
    writeFileSync(join(folder, 'a.gguf'), 'other weights');
    expect(() => findOpenRun(store, policy)).toThrow(`file or settings of a have changed since`);
    expect(() => findOpenRun(store, policy, 'abcdef')).toThrow(`called abcdef; there are ${document.id}`);
  });

  test('a sustained run shows what the machine loses as it grows hot', async () => {
    const throttling: Speed & Misbehaviour = { ...quick };
    const { options, clock } = setUp(
      {
        a: Object.assign(throttling, {
          onRequest: (count: number) => Object.assign(throttling, { tokenMs: 50 + count }),
        }),
      },
      { repetitions: 1, sustainedMs: 600_000 },
    );
    const { document } = await pumped(clock, benchModels(options));
    const values = Object.fromEntries(document.models[0]!.series.map((one) => [one.metric, one.value]));
    expect(values.sustainedDecodeTokensPerSec).toBeLessThan(15);
    expect(values.sustainedShare).toBeLessThan(0.8);
    const points = document.models[0]!.samples!.filter(({ kind }) => kind === 'sustained');
    expect(points.length).within(20, 31);
    expect(document.models[0]!.figures.some(({ metric }) => metric.startsWith('sustained'))).toBe(false);
  });

  test('a model that generates nothing is not measured', async () => {
    const { options, clock } = setUp({ a: quick }, { repetitions: 1 });
    const views = options.target.views;
    options.target.views = () => {
      const view = views().get(modelId('a'))!;
      const capabilities = { ...modelFacts().capabilities, generation: false };
      return new Map([[modelId('a'), { ...view, facts: { ...modelFacts(), ...view.facts, capabilities } }]]);
    };
    const { document } = await pumped(clock, benchModels(options));
    expect(document.models[0]).toMatchObject({
      outcome: 'unavailable',
      reason: expect.stringContaining('only computes embeddings'),
    });
  });

  test('a model that cannot run is listed with reason and remedy, and the others are measured', async () => {
    const { options, clock } = setUp({ a: quick, b: quick }, { repetitions: 1 });
    const views = options.target.views;
    options.target.views = () => {
      const all = new Map(views());
      const availability = { kind: 'unavailable' as const, reason: 'file missing', remedy: 'copy it there' };
      return all.set(modelId('a'), { ...all.get(modelId('a'))!, availability });
    };
    const { document } = await pumped(clock, benchModels(options));
    expect(document.models[0]).toMatchObject({
      outcome: 'unavailable',
      reason: 'file missing',
      remedy: 'copy it there',
      figures: [],
    });
    expect(document.models[1]?.outcome).toBe('measured');
  });

  test('a run in which nothing can be tried leaves no result', async () => {
    const { options, store, clock } = setUp({ a: quick }, { repetitions: 1 });
    const views = options.target.views;
    options.target.views = () => {
      const availability = { kind: 'unavailable' as const, reason: 'file missing', remedy: 'copy it there' };
      return new Map([[modelId('a'), { ...views().get(modelId('a'))!, availability }]]);
    };
    const { document, file } = await pumped(clock, benchModels(options));
    expect(document.models.map((model) => model.outcome)).toEqual(['unavailable']);
    expect(file).toBeUndefined();
    expect(store.benchRuns()).toEqual([]);
  });

  test('a model that fails is listed with its error, and the others are measured', async () => {
    const { options, calls, clock } = setUp(
      { a: { ...quick, fails: 'exited with 1' }, b: { ...quick, status: 400 }, c: quick },
      { repetitions: 1 },
    );
    const { document } = await pumped(clock, benchModels(options));
    expect(document.models.map((model) => model.outcome)).toEqual(['failed', 'failed', 'measured']);
    expect(document.models[0]?.reason).toContain('exited with 1');
    expect(document.models[1]?.reason).toContain('status 400: {"error"');
    expect(calls).toContain('release failed b');
    expect(calls).toContain('unload b');
  });

  test('samples with cached tokens are left out and said so', async () => {
    const { options, clock } = setUp({ a: { ...quick, cachedTokens: 7 } }, { repetitions: 1 });
    const { document } = await pumped(clock, benchModels(options));
    expect(document.models[0]?.warnings.join()).toContain('from its cache');
    expect(document.models[0]?.series.map((series) => series.metric)).toEqual([
      ...['loadMs', 'unloadMs', 'peakMemoryBytes', 'proportionalMemoryBytes'],
    ]);
  });

  test('a token or two counted as cached, as two tokenizers may differ, cost no sample', async () => {
    const { options, clock } = setUp({ a: { ...quick, cachedTokens: 2 } }, { repetitions: 1 });
    const { document } = await pumped(clock, benchModels(options));
    expect(document.models[0]?.warnings).toEqual([]);
    expect(document.models[0]?.series.some(({ metric }) => metric === 'decodeTokensPerSec')).toBe(true);
  });

  test('an abort keeps the finished models and gives the slot back', async () => {
    const controller = new AbortController();
    const { options, calls, store, clock } = setUp(
      { a: quick, b: { ...quick, onRequest: (count) => count === 8 && controller.abort(new Error('stop')) }, c: quick },
      { repetitions: 1, signal: controller.signal },
    );
    const { document, file } = await pumped(clock, benchModels(options));
    expect(document.models.map((model) => model.outcome)).toEqual(['measured', 'aborted']);
    expect(calls).toContain('release aborted b');
    const kept = benchDocumentSchema.parse(JSON.parse(readFileSync(file!, 'utf8')));
    expect(kept.models[0]?.figures.length).toBeGreaterThan(5);
    expect(store.benchRuns()).toHaveLength(1);
  });

  test('progress runs up to its total and tells the time left', async () => {
    const { options, steps, clock } = setUp({ a: quick, b: quick }, { repetitions: 2, sides: 'served' });
    await pumped(clock, benchModels(options));
    const last = steps.at(-1)!;
    expect(last.done).toBe(last.total);
    expect(steps.map((step) => step.done)).toEqual(steps.map((step) => step.done).toSorted((a, b) => a - b));
    expect(steps.some((step) => (step.etaMs ?? 0) > 0)).toBe(true);
  });

  test('a result folder that cannot be written is an error that names the file', async () => {
    const { options, folder, clock } = setUp({ a: quick }, { repetitions: 1 });
    writeFileSync(join(folder, 'results'), 'a file where the folder should be');
    await expect(pumped(clock, benchModels(options))).rejects.toThrow(/results\/.*cannot be written/);
  });

  test('a model of a runtime with llama-bench gets raw figures from a real program', async () => {
    const { options, folder, clock, policy } = setUp({ a: quick }, { sides: 'raw' });
    const program = join(folder, 'llama-bench');
    const recorded = join(import.meta.dirname, '../fixtures/llama-bench/tiny-11669.json');
    writeFileSync(
      program,
      `#!/bin/sh\n[ "$1" = --help ] && { echo '  -lm, --load-mode'; exit 0; }\ncat '${recorded}'\n`,
    );
    chmodSync(program, 0o755);
    const runtime = [...policy.runtimes.values()][0]!;
    const runtimes = new Map([[runtime.id, { ...runtime, benchBinary: program }]]);
    const { document } = await pumped(clock, benchModels({ ...options, policy: { ...policy, runtimes } }));
    expect(document.models[0]).toMatchObject({ outcome: 'measured', rawVersion: 'build 11669 (Debian)' });
    expect(document.models[0]?.figures.map((figure) => `${figure.side} ${figure.metric}`)).toEqual([
      'raw prefillTokensPerSec',
      'raw decodeTokensPerSec',
    ]);
    expect(document.models[0]?.rawCommand).toMatch(/^llama-bench -m a\.gguf /);
  });

  test('a raw program that fails is quoted', async () => {
    const { options, folder, clock, policy } = setUp({ a: quick }, { sides: 'raw' });
    const program = join(folder, 'llama-bench');
    writeFileSync(program, '#!/bin/sh\necho "error: bad magic" >&2; exit 3\n');
    chmodSync(program, 0o755);
    const runtime = [...policy.runtimes.values()][0]!;
    const runtimes = new Map([[runtime.id, { ...runtime, benchBinary: program }]]);
    const { document } = await pumped(clock, benchModels({ ...options, policy: { ...policy, runtimes } }));
    expect(document.models[0]).toMatchObject({
      outcome: 'failed',
      reason: expect.stringMatching(/ended with 3: error: bad magic/),
    });
  });
});

describe('importBench', () => {
  const measured = async () => {
    const parts = setUp(
      { a: quick },
      { repetitions: 5, sysroot: join(import.meta.dirname, '../fixtures/sysroots/rk3588') },
    );
    const { document, file } = await pumped(parts.clock, benchModels(parts.options));
    const other = openStore(':memory:', { clock: parts.clock });
    onTestFinished(() => other.close());
    return { ...parts, document, file: file!, other };
  };

  test('a run of a board of the same kind applies to the same file with the same settings', async () => {
    const { document, file, other, policy } = await measured();
    expect(importBench(file, { store: other, machine: document.machine }).outcome).toBe('imported');
    const rows = other.profileRows(modelKey(policy.models.get(modelId('a'))!)!);
    expect(rows.length).toBeGreaterThan(4);
    expect(rows.every((row) => row.figure.provenance === 'imported')).toBe(true);
  });

  test('a run that is known here already stays what it is', async () => {
    const { document, file, store } = await measured();
    expect(importBench(file, { store, machine: document.machine }).outcome).toBe('known');
    expect(store.benchRuns()[0]?.provenance).toBe('measured');
  });

  test('a second import changes nothing, and one of a later state of the run replaces the earlier', async () => {
    const { document, file, other } = await measured();
    const early = join(dirname(file), 'early.json');
    writeFileSync(early, JSON.stringify({ ...document, models: [], complete: false }));
    const places = { store: other, machine: document.machine };
    expect(importBench(early, places).outcome).toBe('imported');
    expect(importBench(file, places).outcome).toBe('updated');
    const before = other.benchRuns();
    expect(importBench(file, places).outcome).toBe('known');
    expect(other.benchRuns()).toEqual(before);
  });

  test('export, import and export again give the same bytes, fields of a newer version included', async () => {
    const { document, file, other, folder } = await measured();
    writeFileSync(file, `${JSON.stringify({ aNewField: [1, { deep: true }], ...document }, undefined, 2)}\n`);
    importBench(file, { store: other, machine: document.machine });
    const again = writeResultFile(findRun('latest', other), join(folder, 'again'));
    expect(readFileSync(again, 'utf8')).toBe(readFileSync(file, 'utf8'));
    expect(relative(join(folder, 'again'), again)).toBe(relative(dirname(dirname(file)), file));
    expect(relative(join(folder, 'again'), again)).toMatch(/^rk3588\/\d{4}-\d\d-\d\d-[0-9a-f]+\.json$/);
  });

  test('another kind of machine is refused with both names', async () => {
    const { file, other } = await measured();
    const machine = { architecture: 'x64', cpuModel: 'EPYC', cpus: '0-1' };
    expect(() => importBench(file, { store: other, machine })).toThrow(
      /measured on rk3588, this machine is EPYC, CPUs 0-1/,
    );
  });

  test('a file that is no result is refused by name', async () => {
    const { folder, other } = await measured();
    const file = join(folder, 'x.json');
    writeFileSync(file, '{}');
    expect(() => importBench(file, { store: other, machine: { architecture: 'x64' } })).toThrow(/x\.json is no result/);
  });
});

describe('saveBench', () => {
  test('saving a run again replaces it, in the file and in the database', async () => {
    const { options, store, clock } = setUp({ a: quick }, { repetitions: 1 });
    const { document } = await pumped(clock, benchModels(options));
    const places = { store, directory: options.directory, provenance: 'measured' as const };
    saveBench({ ...document, models: [] }, places);
    expect(readdirSync(options.directory)).toHaveLength(1);
    expect(store.benchRuns()).toHaveLength(1);
    expect(JSON.parse(store.benchRuns()[0]!.document)).toMatchObject({ models: [] });
  });
});

describe('planOf', () => {
  test.each([
    [2_048, 64, 256, 512, 32],
    [16_384, 64, 256, 512, 32],
    [1_024, 32, 128, 256, 32],
    [256, 8, 32, 64, 32],
  ])('context %i is measured at %i, %i and %i tokens, %i generated', (context, short, middle, long, output) => {
    expect(planOf(context)).toEqual({ promptTokens: { short, middle, long }, outputTokens: output });
  });
});

describe('deepTokensOf', () => {
  const at = (promptTokens: number, firstMs: number, length: 'short' | 'long') => ({
    ...{ repetition: 0, length, promptChars: 1, promptTokens, outputTokens: 1, isComplete: false },
    ...{ firstMs, lastMs: firstMs, endMs: firstMs, prefillMs: undefined, decodeMs: undefined },
  });
  const at2MsEach = [at(100, 200, 'short'), at(200, 400, 'long')];

  test.each([
    ['three quarters of the context', 2_048, 512, 1_536],
    ['4,096 tokens of a longer context', 16_384, 512, 4_096],
    ['nothing where that is hardly longer than the longest prompt', 1_000, 512, undefined],
  ])('is %s', (_, context, long, tokens) => {
    expect(deepTokensOf(context, long, at2MsEach)).toBe(tokens);
  });

  test('is what two minutes can read', () => {
    expect(deepTokensOf(2_048, 512, [at(10, 1_000, 'short'), at(20, 2_000, 'long')])).toBe(1_200);
  });

  test('is nothing where no line could be fitted', () => {
    expect(deepTokensOf(2_048, 512, [])).toBeUndefined();
  });
});

describe('requestTimeoutMs', () => {
  test('lets the slowest known model read and write four times over', () => {
    // 27B on the board: 1.91 tok/s in, 0.54 tok/s out; 512 tokens are about 2,000 characters.
    expect(requestTimeoutMs(2_000, 32)).toBeGreaterThan(4 * (512 / 1.91 + 32 / 0.54) * 1000);
  });
});

describe('promptText', () => {
  test('has the length asked for and depends on the seed alone', () => {
    expect(promptText(500, 'ab12')).toHaveLength(500);
    expect(promptText(500, 'ab12')).toBe(promptText(500, 'ab12'));
    expect(promptText(500, 'ab12').slice(14)).not.toBe(promptText(500, 'ab13').slice(14));
  });
});
