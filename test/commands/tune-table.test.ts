import { describe, expect, it } from 'vitest';
import { tuneList, tuneTable } from '../../src/commands/tune-table.ts';
import type { TuneRun } from '../../src/store/tune-table.ts';

/** The winner of the reference board's sweep for its 4B model, beside one that was not used there. */
const RUN: TuneRun = {
  id: '20261121T120000Z-abc123',
  model: 'qwen3.5-4b',
  startedAt: '2026-11-21T12:00:00.000Z',
  finishedAt: '2026-11-21T13:05:00.000Z',
  complete: true,
  objective: { kind: 'e2e', text: 'e2e:256/16', promptTokens: 256, outputTokens: 16 },
  memoryBytesMax: 6e9,
  machine: { kind: 'rk3588', cpus: '0-7', model: 'Orange Pi 5 Plus' },
  sluiceVersion: '0.1.0',
  trials: [
    {
      settings: {
        cpus: '4-7',
        threads: 4,
        flash_attention: 'off',
        cache_type_k: 'q8_0',
        cache_type_v: 'f16',
        batch: 2048,
        ubatch: 512,
      },
      label: 'CPUs 4-7, 4 threads',
      isCurrent: true,
      figures: {},
      n: 0,
      disturbed: 0,
      status: 'infeasible',
      reason: 'took 7.00 GB of memory, more than the 6.00 GB allowed',
    },
    {
      settings: {
        cpus: '0-7',
        threads: 6,
        flash_attention: 'on',
        cache_type_k: 'f16',
        cache_type_v: 'f16',
        batch: 64,
        ubatch: 64,
      },
      label: 'CPUs 0-7, 6 threads',
      isCurrent: false,
      figures: { promptTps: 6.83, decodeTps: 2.12, wallS: 54.9, objectiveMs: 54_900, peakRssBytes: 5.38e9 },
      interval: { low: 54_000, high: 55_500 },
      n: 9,
      disturbed: 1,
      status: 'winner',
    },
  ],
  caches: [{ cache: 'q8_0/f16', passed: false, text: 'it lost chat-name' }],
  warnings: ['CPUs 0-3: the ondemand governor moves the clock with the load'],
  conclusion: 'the settings in force cannot be used',
};

describe('tuneTable', () => {
  it('has the form of the reference sweep, the winner first', () => {
    expect(tuneTable(RUN).split('\n')).toEqual([
      'qwen3.5-4b on Orange Pi 5 Plus, CPUs 0-7: E2E of 256 prompt and 16 output tokens (run 20261121T120000Z-abc123)',
      'memory at most 6.00 GB',
      '',
      'threads  affinity  flash attention  kv        batch     prompt t/s  decode t/s  wall s  E2E ms                memory   n                status',
      '6        0-7       on               f16       64        6.83        2.12        54.9    54900 [54000, 55500]  5.38 GB  9 (1 disturbed)  winner',
      '4        4-7       off              q8_0/f16  2048/512  -           -           -       -                     -        0                infeasible, in force',
      '',
      'why not:',
      '  CPUs 4-7, 4 threads: took 7.00 GB of memory, more than the 6.00 GB allowed',
      '',
      'quality with a quantized KV cache:',
      '  kv q8_0/f16: refused: it lost chat-name',
      '',
      '1 of 9 samples were disturbed by other programs or a moving clock',
      'CPUs 0-3: the ondemand governor moves the clock with the load',
      '',
      'the settings in force cannot be used',
    ]);
  });
});

describe('tuneList', () => {
  it('has one line per run', () => {
    expect(tuneList([RUN]).split('\n')[1]).toMatch(
      /^20261121T120000Z-abc123 +qwen3\.5-4b +e2e:256\/16 +2 +1 h 5 min +the settings/,
    );
    expect(tuneList([])).toBe('no tuning runs yet');
  });
});
