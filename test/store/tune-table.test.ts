import { join } from 'node:path';
import DatabaseFile from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../src/store/open-store.ts';
import type { TuneRun } from '../../src/store/tune-table.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const run = (id: string, given: Partial<TuneRun> = {}): TuneRun => ({
  id,
  model: 'small',
  startedAt: `2026-11-20T12:00:00.000Z`,
  complete: false,
  objective: { kind: 'e2e', text: 'e2e:interactive', promptTokens: 100, outputTokens: 60 },
  machine: { kind: 'rk3588', cpus: '0-7' },
  sluiceVersion: '0.1.0',
  trials: [
    {
      settings: { threads: 6, cpus: '0-7', flash_attention: 'on' },
      label: '6 threads',
      isCurrent: true,
      figures: { promptTps: 6.83, decodeTps: 2.12, wallS: 54.9, objectiveMs: 54_900 },
      n: 1,
      disturbed: 0,
      status: 'open',
    },
  ],
  caches: [{ cache: 'q8_0/q8_0', passed: true, text: '16 of 17 right' }],
  warnings: [],
  conclusion: 'not finished',
  ...given,
});

const row = (id: string, startedAt: string) => ({ id, model: 'small', startedAt, plan: '{}' });

function open(file: string) {
  const store = openStore(file, { clock: fakeClock() });
  onTestFinished(() => store.close());
  return store;
}

describe('tuning runs', () => {
  test('a run can be gone on with until it has ended, and its table stays', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const store = open(file);
    store.openTuneRun(row('a', '2026-11-20T12:00:00.000Z'));
    store.openTuneRun(row('b', '2026-11-21T12:00:00.000Z'));
    store.openTuneRun({ ...row('a', '2026-11-20T12:00:00.000Z'), plan: 'another' });
    store.addTuneStep('a', '1');
    store.addTuneStep('b', '2');
    store.addTuneStep('a', '3');
    expect(store.readTuneRuns()).toEqual([]);
    store.saveTuneRun(run('a'), false);

    const again = open(file);
    expect(again.openTuneRuns().map(({ id, plan }) => [id, plan])).toEqual([
      ['b', '{}'],
      ['a', '{}'],
    ]);
    expect(again.tuneSteps('a')).toEqual(['1', '3']);
    again.saveTuneRun(run('a', { complete: true }), true);
    again.saveTuneRun(run('b'), false);
    expect(again.openTuneRuns().map(({ id }) => id)).toEqual(['b']);
    expect(again.readTuneRuns()).toEqual([run('b'), run('a', { complete: true })]);
  });

  test('a table that cannot be read is named', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const store = open(file);
    store.openTuneRun(row('a', '2026-11-20T12:00:00.000Z'));
    store.saveTuneRun(run('a'), true);
    const database = new DatabaseFile(file);
    database.exec(`UPDATE tune_runs SET run = '{"id":1}'`);
    database.close();
    expect(() => store.readTuneRuns()).toThrow('tuning run a cannot be read');
  });
});
