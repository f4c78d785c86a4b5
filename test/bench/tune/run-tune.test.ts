import { describe, expect, it } from 'vitest';
import { CHECK_QUESTIONS } from '../../../src/bench/tune/run-tune.ts';
import type { RuntimeSettings } from '../../../src/core/policy.ts';
import type { TuneRun } from '../../../src/store/tune-table.ts';
import { tuneBed } from './settings-target.ts';

const F16 = [{ k: 'f16', v: 'f16' }];
const Q8 = { k: 'q8_0', v: 'q8_0' };
const FIXED = { flashAttention: ['on'], loadMode: ['mmap'], kv: F16 } as const;
const BATCHES = [64, 128].map((tokens) => ({ batch: tokens, ubatch: tokens }));

/** Faster with more threads, and with larger batches where prompts are read. */
const usual = ({ threads = 1, ubatch = 512 }: RuntimeSettings) => ({
  promptMs: 8 / threads / (ubatch / 64),
  tokenMs: 60 / threads,
});

const row = (run: TuneRun, label: string) => run.trials.find((trial) => trial.label.includes(label));
const winner = (run: TuneRun) => run.trials.find(({ status }) => status === 'winner');

describe('runTune', () => {
  it('finds the best settings and says by how much they are better', async () => {
    const { go, store } = tuneBed(usual, { narrowed: { ...FIXED, threads: [1, 2, 4], batch: BATCHES } });
    const run = await go();
    expect(winner(run)).toMatchObject({
      label: 'all CPUs, 4 threads, fa on, kv f16/f16, batch 128, mmap',
      settings: { threads: 4, flash_attention: 'on', cache_type_k: 'f16', batch: 128, load_mode: 'mmap' },
      figures: { promptTps: 1000, peakRssBytes: 102_400_000, loadMs: 500 },
    });
    expect(winner(run)?.figures.decodeTps).toBeCloseTo(1000 / 15, 5);
    expect(row(run, '2 threads, fa on, kv f16/f16, batch 64')).toMatchObject({ isCurrent: true, status: 'eliminated' });
    // 4 ms · 96 + 30 ms · 15 against a quarter of the one and half of the other.
    expect(run.comparison).toMatchObject({ n: 3, isBetter: true });
    expect(run.comparison?.gain).toBeCloseTo(1 - (96 + 225) / (384 + 450), 2);
    expect(run.conclusion).toMatch(/is better than the settings in force by 6\d\.\d %/);
    expect(run).toMatchObject({ complete: true, runtimeVersion: '1 (test)', machine: { cpus: '0-3' } });
    expect(store.readTuneRuns()).toEqual([run]);
    expect(store.openTuneRuns()).toEqual([]);
  });

  it('stays with the settings in force where nothing is better beyond noise', async () => {
    // Each start is a little slower or faster than the last, whatever the settings.
    const noisy = (_: RuntimeSettings, started: number) => ({
      promptMs: 2 + 0.2 * Math.sin(started * 12.9898),
      tokenMs: 10,
    });
    const run = await tuneBed(noisy, { narrowed: { ...FIXED, threads: [1, 2, 3, 4], batch: BATCHES } }).go();
    expect(winner(run)?.isCurrent).toBe(true);
    expect(run.conclusion).toMatch(/nothing is better than the settings in force|are the best of 8 tried/);
  });

  it('goes on with exactly what was left after being broken off', async () => {
    const narrowed = { ...FIXED, threads: [1, 2, 4], batch: BATCHES };
    const whole = tuneBed(usual, { narrowed });
    const expected = await whole.go();
    const broken = tuneBed(usual, { narrowed });
    for (const stopAfter of [1, 4, 9]) {
      const abort = new AbortController();
      const partial = await broken.go({
        signal: abort.signal,
        onProgress: ({ done }) => {
          if (done >= stopAfter) abort.abort(new Error('stop'));
        },
      });
      expect(partial).toMatchObject({ complete: false, conclusion: 'not finished: --resume goes on with it' });
      expect(broken.store.openTuneRuns()).toHaveLength(1);
    }
    const run = await broken.go();
    // The first request of a prompt's length is made once per run, so everything but the times of day is the same.
    const table = ({ id: _id, startedAt: _start, finishedAt: _end, ...rest }: TuneRun) => rest;
    expect(table(run)).toEqual(table(expected));
    expect(broken.starts).toEqual(whole.starts);
  });

  it('records what does not start, takes too much memory or is far too slow, and goes on', async () => {
    const behaviour = ({ threads = 1, ubatch = 0 }: RuntimeSettings) => {
      if (threads === 3) return { promptMs: 1, tokenMs: 1, fails: 'small could not be started: its last line: boom' };
      if (ubatch === 128) return { promptMs: 1, tokenMs: 1, memoryMb: 600 };
      return { promptMs: threads === 1 ? 9_000 : 4, tokenMs: 10 };
    };
    const run = await tuneBed(behaviour, {
      narrowed: { ...FIXED, threads: [1, 2, 3], batch: BATCHES },
      memoryBytesMax: 500_000_000,
    }).go();
    expect(row(run, '3 threads')).toMatchObject({
      status: 'infeasible',
      n: 0,
      reason: expect.stringContaining('boom'),
    });
    expect(row(run, '2 threads, fa on, kv f16/f16, batch 128')).toMatchObject({
      status: 'infeasible',
      reason: 'took 614 MB of memory, more than the 500 MB allowed',
    });
    expect(row(run, '1 thread, fa on, kv f16/f16, batch 64')).toMatchObject({
      status: 'eliminated',
      reason: 'given up after 10 s, more than five times what others take',
    });
    expect(winner(run)?.isCurrent).toBe(true);
  });

  it('proposes others where the settings in force cannot be used', async () => {
    const behaviour = (settings: RuntimeSettings) => ({
      ...usual(settings),
      memoryMb: settings.ubatch === 64 ? 600 : 100,
    });
    const run = await tuneBed(behaviour, {
      narrowed: { ...FIXED, threads: [2], batch: BATCHES },
      memoryBytesMax: 500_000_000,
    }).go();
    expect(winner(run)?.label).toContain('batch 128');
    expect(run.comparison).toBeUndefined();
    expect(run.conclusion).toMatch(/^the settings in force cannot be used: took 614 MB/);
  });

  it('has no winner where nothing runs', async () => {
    const run = await tuneBed(() => ({ promptMs: 1, tokenMs: 1, fails: 'boom' }), {
      narrowed: { ...FIXED, threads: [1] },
    }).go();
    expect(winner(run)).toBeUndefined();
    expect(run.conclusion).toBe('no settings could be used; the first reason: boom');
  });

  describe('with a quantized KV cache that is faster', () => {
    const narrowed = { ...FIXED, threads: [2], kv: [...F16, Q8] };
    const faster = (answer: string) => (settings: RuntimeSettings) =>
      settings.cacheTypeK === 'q8_0' ? { promptMs: 2, tokenMs: 5, answer } : { promptMs: 4, tokenMs: 10 };

    it('takes it where its answers are as good', async () => {
      const { go, questions, store, start } = tuneBed(faster('The cat sat on the mat and looked at the rain.'), {
        narrowed,
      });
      const run = await go();
      expect(winner(run)?.settings).toMatchObject({ cache_type_k: 'q8_0', cache_type_v: 'q8_0' });
      expect(run.caches).toEqual([
        { cache: 'q8_0/q8_0', passed: true, text: expect.stringContaining('0 answers broken') },
      ]);
      expect(questions).toHaveLength(CHECK_QUESTIONS);
      // Answers are never kept, only what they came to.
      expect(store.tuneSteps(start.row.id).join('\n')).not.toContain('The cat sat');
    });

    it('refuses it where they fall apart', async () => {
      const run = await tuneBed(faster(''), { narrowed }).go();
      expect(winner(run)?.isCurrent).toBe(true);
      expect(row(run, 'q8_0')).toMatchObject({
        status: 'infeasible',
        reason: expect.stringMatching(/^quality with kv q8_0\/q8_0: .* its answers fall apart$/),
      });
    });

    it('does not ask again what was answered before it was broken off', async () => {
      const bed = tuneBed(faster('The cat sat on the mat and looked at the rain.'), { narrowed });
      const abort = new AbortController();
      await bed.go({
        signal: abort.signal,
        onProgress: ({ step }) => {
          if (bed.questions.length === 30 && step.startsWith('quality')) abort.abort(new Error('stop'));
        },
      });
      await bed.go();
      // The one that was being asked is asked again.
      expect(bed.questions.length).toBeLessThanOrEqual(CHECK_QUESTIONS + 1);
    });
  });

  it('tunes what an NPU model has', async () => {
    const run = await tuneBed(({ cpuMask }) => ({ promptMs: cpuMask === 0xf ? 1 : 2, tokenMs: 10 }), {
      kind: 'rkllm',
      settings: { cpuMask: 3, embedFlash: true },
    }).go();
    expect(winner(run)).toMatchObject({
      label: 'mask 0xf, embed flash on',
      settings: { cpu_mask: 15, embed_flash: true },
    });
  });

  it('refuses an objective the context cannot hold', async () => {
    const objective = { kind: 'ttft', text: 'ttft:4000', promptTokens: 4000, outputTokens: 8 } as const;
    await expect(tuneBed(usual, { objective }).go()).rejects.toThrow(
      'ttft:4000 takes 4000 prompt and 8 output tokens, more than a context of 2048 holds',
    );
  });
});
