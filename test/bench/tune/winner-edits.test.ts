import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { winnerEdits } from '../../../src/bench/tune/winner-edits.ts';
import { packageRoot } from '../../../src/core/package-root.ts';
import type { TuneRun } from '../../../src/store/tune-table.ts';

const FILE = join(packageRoot(), 'routing-policy.yaml');
const SHIPPED = readFileSync(FILE, 'utf8');

type Settings = TuneRun['trials'][number]['settings'];

const IN_FORCE: Settings = {
  ...{ cpus: '0-7', threads: 6, flash_attention: 'on', cache_type_k: 'f16', cache_type_v: 'f16' },
  ...{ batch: 64, ubatch: 64, load_mode: 'mmap' },
};

function run(model: string, current: Settings, winner: Settings): TuneRun {
  const trial = { figures: {}, n: 5, disturbed: 0 };
  return {
    ...{
      id: 'run',
      model,
      startedAt: '2026-11-21T12:00:00.000Z',
      complete: true,
      caches: [],
      warnings: [],
      conclusion: '',
    },
    objective: { kind: 'e2e', text: 'e2e', promptTokens: 256, outputTokens: 16 },
    ...{ machine: { kind: 'rk3588' }, sluiceVersion: '0.1.0' },
    trials: [
      { ...trial, settings: current, label: 'now', isCurrent: true, status: 'eliminated' },
      { ...trial, settings: winner, label: 'better', isCurrent: false, status: 'winner' },
    ],
  };
}

describe('winnerEdits', () => {
  it("sets what differs under the model's own settings, and nothing else changes", () => {
    const winner = { ...IN_FORCE, cpus: '4-7', threads: 4, batch: 128, ubatch: 128 };
    const { edits, text } = winnerEdits(SHIPPED, FILE, run('qwen3.5-4b', IN_FORCE, winner));
    expect(edits.map(({ path, value }) => `${path.join('.')}=${value}`)).toEqual([
      'models.qwen3.5-4b.settings.cpus=4-7',
      'models.qwen3.5-4b.settings.threads=4',
      'models.qwen3.5-4b.settings.batch=128',
      'models.qwen3.5-4b.settings.ubatch=128',
    ]);
    const added = text.split('\n').filter((line) => !SHIPPED.split('\n').includes(line));
    expect(added).toEqual(['    settings: { cpus: 4-7, threads: 4, batch: 128, ubatch: 128 }']);
    expect(text.split('\n').filter((line) => !added.includes(line))).toEqual(SHIPPED.split('\n'));
  });

  it('adds to settings a model has already', () => {
    const { text } = winnerEdits(SHIPPED, FILE, run('qwen3.5-27b', IN_FORCE, { ...IN_FORCE, threads: 8 }));
    expect(text).toContain(
      '    settings: { priority: -1, threads: 8 }   # low: whatever else runs on the board goes first',
    );
  });

  it('writes a mask as one', () => {
    const now = { cpu_mask: 0xf0, embed_flash: true };
    const { text } = winnerEdits(SHIPPED, FILE, run('qwen3-1.7b', now, { ...now, cpu_mask: 0xff }));
    expect(text).toContain('    settings: { cpu_mask: 0xff }\n');
  });

  it('leaves the text alone where the settings in force are to stay', () => {
    const kept = run('qwen3.5-4b', IN_FORCE, IN_FORCE);
    const trials = kept.trials.map((trial) => ({ ...trial, status: trial.isCurrent ? 'winner' : 'kept' }) as const);
    expect(winnerEdits(SHIPPED, FILE, { ...kept, trials })).toEqual({ edits: [], text: SHIPPED });
  });

  it('refuses where the settings have changed since, and where the model is gone', () => {
    const stale = run('qwen3.5-4b', { ...IN_FORCE, threads: 4 }, { ...IN_FORCE, threads: 8 });
    expect(() => winnerEdits(SHIPPED, FILE, stale)).toThrow(
      'threads of qwen3.5-4b is 6 and was 4 when run run compared its settings',
    );
    expect(() => winnerEdits(SHIPPED, FILE, run('gone', {}, { threads: 1 }))).toThrow(
      'has no model gone; it has qwen3-1.7b',
    );
  });
});
