import { describe, expect, test } from 'vitest';
import type { BenchDocument } from '../../src/bench/result.ts';
import { benchTable } from '../../src/commands/bench-table.ts';

const one = (metric: string, side: 'served' | 'runtime', value: number, promptTokens?: number) => ({
  ...{ metric, side, unit: 'tok/s' as const, value, n: 5, provisional: false, samples: [value] },
  ...(promptTokens === undefined ? {} : { promptTokens }),
});

const document: BenchDocument = {
  ...{ kind: 'sluice-bench', schema: 1, id: 'run-1', startedAt: '2026-11-20T12:00:00Z', sluiceVersion: '0' },
  ...{ repetitions: 5, settleMs: 0, machine: { architecture: 'arm64', model: 'Radxa ROCK 5B' } },
  models: [
    {
      ...{ model: 'npu', runtime: 'npu', outcome: 'measured', settings: {}, warnings: [], figures: [] },
      series: [
        one('prefillTokensPerSec', 'served', 410),
        one('runtimePrefillTokensPerSec', 'runtime', 435),
        one('decodeTokensPerSec', 'served', 8.9),
        one('runtimeDecodeTokensPerSec', 'runtime', 8.95),
        one('decodeAtDepthTokensPerSec', 'served', 8.9, 64),
        one('decodeAtDepthTokensPerSec', 'served', 7.65, 2_171.5),
      ],
    },
  ],
};

describe('benchTable', () => {
  test("puts the runtime's own rates beside ours and lists decode by depth", () => {
    const lines = benchTable(document).split('\n');
    const cells = (line: string | undefined) => line?.trim().split(/ {2,}/) ?? [];
    const header = cells(lines.find((line) => line.startsWith('model')));
    const row = cells(lines.find((line) => line.startsWith('npu ')));
    const cell = (name: string) => row[header.indexOf(name)];
    expect([cell('prefill'), cell('runtime prefill')]).toEqual(['410 tok/s', '435 tok/s']);
    expect([cell('decode'), cell('runtime decode')]).toEqual(['8.90 tok/s', '8.95 tok/s']);
    expect(lines).toContain('npu: decode behind 64 / 2172 prompt tokens: 8.90 tok/s / 7.65 tok/s');
  });

  test('says nothing of depths where one alone was measured', () => {
    const [model] = document.models;
    const series = model?.series.slice(0, 5) ?? [];
    expect(benchTable({ ...document, models: model === undefined ? [] : [{ ...model, series }] })).not.toMatch(
      /behind/,
    );
  });
});
