import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { saveBench } from '../../src/bench/save-bench.ts';
import { modelId } from '../../src/core/ids.ts';
import type { Policy } from '../../src/core/policy.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { fromResult } from '../../src/report/from-result.ts';
import { fromStore } from '../../src/report/from-store.ts';
import { htmlReport } from '../../src/report/html.ts';
import { markdownReport } from '../../src/report/markdown.ts';
import type { MachineReport, Report } from '../../src/report/report.ts';
import { machineTables, sideBySideTable, threeDigits } from '../../src/report/tables.ts';
import { tuneGrid } from '../../src/report/tune-grid.ts';
import { modelKey } from '../../src/store/model-key.ts';
import { openStore } from '../../src/store/open-store.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { MEASURED_AT, resultDocument, tuneRun } from '../helpers/result-values.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const DEFAULTS = parsePolicy('version: 1', '<defaults>');
const FAST = { model: 'fast', prefill: 60, decode: 12, memoryBytes: 1.2e9, right: 6, fellApart: 0, kept: 0.6 };
const GOOD = { model: 'good', prefill: 20, decode: 5, memoryBytes: 5.6e9, right: 11, fellApart: 1 };
const BROKEN = { model: 'broken', device: 'npu', prefill: 300, decode: 30, memoryBytes: 6e8, fellApart: 40, n: 3 };

const reportOf = (...machines: readonly MachineReport[]): Report => ({
  ...{ title: 'Models on <a board>', chat: DEFAULTS.verdicts.chat, machines },
});
const measured = () => fromResult(resultDocument([FAST, GOOD, BROKEN]), 'run.json', DEFAULTS);
const tableOf = (machine: MachineReport, title: RegExp) => {
  const table = machineTables(machine, reportOf(machine)).find((one) => title.test(one.title));
  return (table?.rows ?? []).map((row) => Object.fromEntries(row.map((cell, index) => [table?.header[index], cell])));
};

describe('fromResult', () => {
  it('judges a run by its own figures', () => {
    const machine = measured();
    expect(machine.name).toBe('Example board, rk3588');
    expect(tableOf(machine, /Verdicts/)).toEqual([
      expect.objectContaining({ model: 'fast', verdict: 'excellent', figures: 'measured, n = 5, 2026-11-20' }),
      expect.objectContaining({ model: 'good', device: 'cpu', verdict: 'best default' }),
      expect.objectContaining({
        ...{
          model: 'broken',
          device: 'npu',
          verdict: 'not practical',
          because: 'its answers fall apart (quarantined)',
        },
        figures: 'measured, n = 3, 2026-11-20, PROVISIONAL, QUARANTINED',
      }),
    ]);
  });

  it('shows figures with their intervals, loads, memory of the budget and quality by task', () => {
    const machine = measured();
    expect(tableOf(machine, /Speed/)[1]).toEqual({
      ...{ model: 'good', 'prefill tok/s': '20.0 [19.2, 20.8]', 'decode tok/s': '5.00 [4.80, 5.20]' },
      ...{ 'TTFT 100': '5.1 s', 'chat 100+60': '17 s', memory: '5.60 GB (38 %)' },
      ...{ 'load warm': '5.6 s', 'load cold': '28 s' },
    });
    expect(tableOf(machine, /Quality/)[2]).toMatchObject({ model: 'broken', chat: '-', 'fell apart': '40 [20, 50]' });
    expect(tableOf(machine, /Quality/)[0]).toMatchObject({
      model: 'fast',
      chat: '50 [30, 60]',
      'fell apart': '0 [0, 10]',
    });
    expect(tableOf(machine, /Sustained/)).toEqual([
      ...[
        {
          model: 'fast',
          minutes: '10.0',
          'first third tok/s': '12.0',
          'last third tok/s': '7.20',
          kept: '60 %',
          hottest: '82 °C',
        },
      ],
    ]);
  });

  it('shows what running side by side costs, and what llama-perplexity printed', () => {
    const base = resultDocument([FAST]);
    const factor = (value: number) => ({
      ...{
        metric: 'factor',
        unit: 'factor' as const,
        side: 'served' as const,
        value,
        n: 5,
        provisional: false,
        samples: [],
      },
    });
    const pair = { model: 'fast', modelKey: 'k', device: 'cpu', withModel: 'broken', withDevice: 'npu', flags: [] };
    const printed = {
      metric: 'perplexity' as const,
      side: 'raw' as const,
      value: 7.1234,
      n: 1,
      low: 7.1,
      high: 7.2,
      source: 'x',
    };
    const models = [{ ...base.models[0]!, figures: [...base.models[0]!.figures, printed] }];
    const pairs = [
      { ...pair, prefillFactor: factor(1.31), decodeFactor: factor(1.08) },
      { ...pair, reason: 'aborted' },
    ];
    const machine = fromResult({ ...base, models, pairs }, 'run.json', DEFAULTS);
    expect(tableOf(machine, /Perplexity/)).toEqual([{ model: 'fast', perplexity: '7.123 [7.100, 7.200]' }]);
    expect(tableOf(machine, /Side by side/)).toEqual([
      ...[
        {
          model: 'fast',
          while: 'broken generates',
          on: 'npu',
          'TTFT takes': '1.31 times',
          'TPOT takes': '1.08 times',
          n: '5',
        },
      ],
    ]);
  });

  it('marks what a simulator stands for', () => {
    const base = resultDocument([FAST]);
    const models = [{ ...base.models[0]!, runtimeVersion: '1.2.3 (simulated)' }];
    const machine = fromResult({ ...base, models }, 'run.json', DEFAULTS);
    expect(tableOf(machine, /Verdicts/)[0]?.['figures']).toBe('SIMULATED, measured, n = 5, 2026-11-20');
  });

  it('says what went wrong in a run', () => {
    const base = resultDocument([FAST]);
    const models = [
      { ...base.models[0]!, warnings: ['the governor moves the clock'] },
      { ...base.models[0]!, model: 'gone', outcome: 'unavailable' as const, reason: 'no file', figures: [] },
    ];
    const machine = fromResult({ ...base, models, complete: false }, 'run.json', DEFAULTS);
    expect(machine.notes).toEqual([
      'The run was not ended: figures are of what was measured until then.',
      'gone: unavailable (no file)',
      'fast: the governor moves the clock',
    ]);
    expect(machine.models.map(({ model }) => model)).toEqual(['fast']);
  });
});

describe('fromStore', () => {
  function place(): {
    policy: Policy;
    store: ReturnType<typeof openStore>;
    clock: ReturnType<typeof fakeClock>;
    folder: string;
  } {
    const folder = temporaryFolder();
    for (const name of ['fast', 'good', 'new']) writeFileSync(join(folder, `${name}-2b-q4_k_m.gguf`), name);
    const models = ['fast', 'good', 'new'].map(
      (name) => `  ${name}: { runtime: llama, file: ${name}-2b-q4_k_m.gguf, quality: 0.7 }`,
    );
    const text = ['version: 1', 'runtimes: { llama: { kind: llama-server, device: cpu } }', 'models:', ...models].join(
      '\n',
    );
    const clock = fakeClock();
    const store = openStore(':memory:', { clock });
    onTestFinished(() => store.close());
    return { policy: parsePolicy(text, join(folder, 'policy.yaml')), store, clock, folder };
  }

  it('shows the best known figure of every model with curves of the newest run and the newest tuning', () => {
    const { policy, store, clock, folder } = place();
    const key = (id: string) => modelKey(policy.models.get(modelId(id))!);
    const document = resultDocument([
      { ...FAST, modelKey: key('fast') },
      { ...GOOD, modelKey: key('good') },
    ]);
    saveBench(document, { store, directory: folder, provenance: 'measured' });
    store.openTuneRun({ id: tuneRun('good').id, model: 'good', startedAt: MEASURED_AT, plan: '{}' });
    store.saveTuneRun(tuneRun('good'), true);
    const machine = fromStore({ store, clock, policy, machine: document.machine, source: 'data/sluice.db' });
    expect(machine.notes).toEqual([]);
    expect(machine.models.map(({ model, basis, judgement }) => [model, basis, judgement?.verdict])).toEqual([
      ['fast', 'measured', 'excellent'],
      ['good', 'measured', 'best default'],
      ['new', 'estimated', expect.any(String)],
    ]);
    expect(machine.models[0]?.sustained).toHaveLength(30);
    expect(machine.models[1]?.ttft.map(({ promptTokens }) => promptTokens)).toEqual([64, 256, 512]);
    expect(machine.tunes).toHaveLength(1);
    expect(tableOf(machine, /Tuning good/)[6]).toMatchObject({
      threads: '6',
      cpus: '0-7',
      outcome: 'winner',
      'wall s': '30.0',
    });
  });

  it('names a stored run that cannot be read, and shows the rest', () => {
    const { policy, store, clock } = place();
    store.saveBenchRun({ id: 'old', startedAt: MEASURED_AT, provenance: 'measured', document: '{}' }, { figures: [] });
    const machine = fromStore({ store, clock, policy, machine: { architecture: 'arm64' }, source: 'x' });
    expect(machine.notes[0]).toMatch(/^Of run old only the figures are shown: run old is no result of sluice bench/);
    expect(machine.models).toHaveLength(3);
  });

  it('says where nothing was measured yet', () => {
    const { policy, store, clock } = place();
    const machine = fromStore({ store, clock, policy, machine: { architecture: 'arm64' }, source: 'x' });
    expect(machine.notes).toEqual(['Nothing was measured here yet: figures are published or estimated.']);
    expect(machine.models.every(({ basis }) => basis === 'estimated')).toBe(true);
  });
});

describe('sideBySideTable', () => {
  it('puts machines beside each other where they have a model in common', () => {
    const other = { ...fromResult(resultDocument([{ ...GOOD, decode: 9 }]), 'b.json', DEFAULTS), name: 'other' };
    const table = sideBySideTable(reportOf(measured(), other));
    expect(table.rows.map(([model, machine, , , , decode]) => [model, machine, decode])).toEqual([
      ['good', 'Example board, rk3588', '5.00 [4.80, 5.20]'],
      ['good', 'other', '9.00 [8.64, 9.36]'],
    ]);
    expect(sideBySideTable(reportOf(measured())).rows).toEqual([]);
  });
});

describe('tuneGrid', () => {
  it('takes the two settings with most values, in order', () => {
    const run = tuneRun('a');
    const trials = run.trials.map(({ settings, figures }) => ({
      ...{ settings: { threads: String(settings['threads']), cpus: String(settings['cpus']) }, status: 'kept' },
      ...{ promptTps: 1, decodeTps: 1, wallS: 1, ttftMs: 1, peakRssBytes: 1, objectiveMs: figures.objectiveMs },
    }));
    const table = { model: 'a', objective: 'e2e', axes: ['cpus', 'threads'], trials, conclusion: '' };
    const grid = tuneGrid(table);
    expect(grid).toMatchObject({ columns: 'threads', rows: 'cpus' });
    expect(grid?.cells.slice(0, 4).map(({ column, text }) => [column, text])).toEqual([
      ['2', '46 s'],
      ['4', '38 s'],
      ['6', '30 s'],
      ['8', '38 s'],
    ]);
    expect(tuneGrid({ ...table, axes: ['threads'] })).toBeUndefined();
  });
});

describe('markdownReport', () => {
  it('has a heading per machine and a table per subject, and lets no name break out of a cell', () => {
    const machine = { ...measured(), name: 'a|b <c>' };
    const text = markdownReport(reportOf(machine));
    expect(text).toContain('## a\\|b \\<c\\>');
    expect(text).toContain('| model | device | verdict | because | figures |\n| --- | --- | --- | --- | --- |');
    expect(text.endsWith('\n')).toBe(true);
    for (const line of text.split('\n').filter((one) => one.startsWith('|'))) expect(line).toMatch(/ \|$/);
  });
});

describe('htmlReport', () => {
  it('is one file that loads nothing and runs nothing, with every plot there are figures for', async () => {
    const machine = { ...measured(), tunes: [] };
    const html = await htmlReport(reportOf(machine));
    expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(
      /https?:|<script|<link|@import|url\(|src=| on\w+=/,
    );
    expect(html).toContain("default-src 'none'");
    expect(html).toContain('<title>Models on &lt;a board&gt;</title>');
    for (const title of [
      'Prefill by model',
      'Decode by model',
      'Time to first token over prompt length',
      'Memory against the budget',
      'Quality against latency',
      'Sustained speed over time',
      'Temperature over the same time',
    ]) {
      expect(html).toContain(`<h3>${title}</h3>\n<svg`);
    }
    expect(html).toContain('Tuning: No tuning run');
    expect(html).not.toMatch(/>(NaN|undefined|null|Infinity)</);
  });
});

describe('threeDigits', () => {
  it.each([
    [0.54, '0.54'],
    [9.996, '10.0'],
    [25.11, '25.1'],
    [435.2, '435'],
  ])('writes %d as %s', (value, text) => expect(threeDigits(value)).toBe(text));
});
