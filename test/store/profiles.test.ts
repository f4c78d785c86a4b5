import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { modelId } from '../../src/core/ids.ts';
import type { ModelPolicy } from '../../src/core/policy.ts';
import type { FigureRow } from '../../src/store/bench-tables.ts';
import { modelKey } from '../../src/store/model-key.ts';
import { openStore, type Store } from '../../src/store/open-store.ts';
import { createProfiles } from '../../src/store/profiles.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { modelFacts, modelPolicy } from '../helpers/policy-values.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

function setUp(file = ':memory:') {
  const clock = fakeClock();
  const store = openStore(file, { clock });
  const profiles = createProfiles(store, clock);
  onTestFinished(() => {
    profiles.close();
    store.close();
  });
  return { clock, store, profiles };
}

/** A model whose file exists, with the board's name so that reference figures apply. */
function boardModel(given: Partial<ModelPolicy> = {}): ModelPolicy {
  const file = join(temporaryFolder(), 'Qwen3.5-4B-Q4_K_M.gguf');
  writeFileSync(file, 'weights');
  return modelPolicy('qwen3.5-4b', { file, settings: { threads: 6 }, ...given });
}

function figure(model: ModelPolicy, value: number, given: Partial<FigureRow> = {}): FigureRow {
  const key = modelKey(model);
  if (key === undefined) throw new Error('the file is missing');
  return {
    modelKey: key,
    model: model.id,
    metric: 'decodeTokensPerSec',
    side: 'served',
    value,
    n: 5,
    low: value - 1,
    high: value + 1,
    source: 'run x',
    at: '2026-11-20T10:00:00.000Z',
    ...given,
  };
}

const save = (
  store: Store,
  figures: readonly FigureRow[],
  run: { id?: string; provenance?: 'measured' | 'imported' } = {},
): void =>
  store.saveBenchRun(
    { id: 'run-1', startedAt: '2026-11-20T10:00:00.000Z', provenance: 'measured', document: '{}', ...run },
    { figures },
  );

const seen = { promptTokens: 100, cachedTokens: 0, prefillMs: 10_000, outputTokens: 50, decodeMs: 10_000 };

describe('profileOf', () => {
  test('the same file measured under other settings says more than a table, until these settings were measured', () => {
    const { clock, store, profiles } = setUp();
    const six = boardModel();
    const four = modelPolicy('qwen3.5-4b', { file: six.file, settings: { threads: 4 } });
    const decode = () => {
      store.flush();
      clock.advance(1_000);
      return profiles.profileOf({ ...four }, modelFacts()).decodeTokensPerSec;
    };
    expect(decode()).toMatchObject({ provenance: 'reference' });
    save(store, [figure(six, 7), figure(six, 9e9, { metric: 'peakMemoryBytes' })], { id: 'six' });
    expect(decode()).toMatchObject({ value: 7, provenance: 'estimated', source: 'same file, other settings: run x' });
    expect(profiles.profileOf(four).peakMemoryBytes?.value).not.toBe(9e9);
    save(store, [figure(four, 5)], { id: 'four' });
    expect(decode()).toMatchObject({ value: 5, provenance: 'measured' });
    // Another file's figures are no sibling's.
    const other = boardModel();
    writeFileSync(other.file, 'other weights');
    expect(profiles.profileOf(other).decodeTokensPerSec?.provenance).toBe('reference');
  });

  test('figures are trusted in the order measured, observed, imported, reference, estimated', () => {
    const { clock, store, profiles } = setUp();
    const decode = (model: ModelPolicy) => {
      store.flush();
      clock.advance(1_000);
      const found = profiles.profileOf({ ...model }, modelFacts()).decodeTokensPerSec;
      return `${found?.provenance} ${found?.value.toFixed(2)}`;
    };
    const unknown = boardModel({ file: '/models/nobody-3b-q4_0.gguf' });
    expect(decode(unknown)).toMatch(/^estimated/);
    const model = boardModel();
    expect(decode(model)).toBe('reference 2.48');
    save(store, [figure(model, 3)], { id: 'theirs', provenance: 'imported' });
    expect(decode(model)).toBe('imported 3.00');
    profiles.observe(model, seen);
    expect(decode(model)).toBe('observed 5.00');
    save(store, [figure(model, 4)]);
    expect(decode(model)).toBe('measured 4.00');
  });

  test('is the same object until something changes', () => {
    const { clock, profiles } = setUp();
    const model = boardModel();
    const facts = modelFacts();
    const first = profiles.profileOf(model, facts);
    expect(profiles.profileOf(model, facts)).toBe(first);
    expect(profiles.profileOf(model)).toBe(first);
    profiles.observe(model, seen);
    clock.advance(100);
    const second = profiles.profileOf(model, facts);
    expect(second).not.toBe(first);
    expect(profiles.profileOf(model, facts)).toBe(second);
  });

  test('under load it is worked out at most ten times a second', () => {
    const { clock, profiles } = setUp();
    const model = boardModel();
    profiles.profileOf(model, modelFacts());
    const objects = new Set<unknown>();
    for (let ms = 0; ms < 1_000; ms += 1) {
      profiles.observe(model, seen);
      clock.advance(1);
      objects.add(profiles.profileOf(model));
    }
    expect(objects.size).toBeLessThanOrEqual(12);
  });

  test('measured figures are estimates only when the launch settings change', () => {
    const { store, profiles } = setUp();
    const model = boardModel();
    save(store, [figure(model, 4)]);
    expect(profiles.profileOf(model, modelFacts()).decodeTokensPerSec?.value).toBe(4);
    const slower = { ...model, settings: { threads: 4 } };
    expect(profiles.profileOf(slower, modelFacts()).decodeTokensPerSec).toMatchObject({
      value: 4,
      provenance: 'estimated',
    });
  });

  test('measured figures stop to apply when the file changes', () => {
    const { store, profiles } = setUp();
    const model = boardModel();
    save(store, [figure(model, 4)]);
    expect(profiles.profileOf(model, modelFacts()).decodeTokensPerSec?.value).toBe(4);
    appendFileSync(model.file, 'more');
    // The supervisor looks at a changed file again and comes with new facts.
    expect(profiles.profileOf(model, modelFacts()).decodeTokensPerSec?.provenance).toBe('reference');
  });

  test('of two runs the later one counts, whichever was stored first', () => {
    const { store, profiles } = setUp();
    const model = boardModel();
    save(store, [figure(model, 7, { at: '2026-11-20T12:00:00.000Z' })], { id: 'late' });
    save(store, [figure(model, 4)], { id: 'early' });
    expect(profiles.profileOf(model, modelFacts()).decodeTokensPerSec?.value).toBe(7);
  });

  test('a raw figure counts only where nothing served was measured', () => {
    const { store, profiles } = setUp();
    const model = boardModel();
    save(store, [
      figure(model, 9, { side: 'raw', at: '2026-11-21T00:00:00.000Z' }),
      figure(model, 80, { side: 'raw', metric: 'prefillTokensPerSec' }),
      figure(model, 4),
    ]);
    const profile = profiles.profileOf(model, modelFacts());
    expect(profile.decodeTokensPerSec?.value).toBe(4);
    expect(profile.prefillTokensPerSec?.value).toBe(80);
  });

  test('a figure keeps its interval, sample count, source and time', () => {
    const { store, profiles } = setUp();
    const model = boardModel();
    save(store, [figure(model, 4)]);
    expect(profiles.profileOf(model, modelFacts()).decodeTokensPerSec).toEqual({
      value: 4,
      provenance: 'measured',
      n: 5,
      low: 3,
      high: 5,
      source: 'run x',
      at: '2026-11-20T10:00:00.000Z',
    });
  });

  test('a model without a file still has its reference figures', () => {
    const { profiles } = setUp();
    const npu = modelPolicy('npu', { file: '/missing/qwen3-1.7b-w8a8-ctx4096-rk3588.rkllm' });
    const profile = profiles.profileOf(npu);
    expect(profile.decodeTokensPerSec).toMatchObject({ value: 7.65, provenance: 'reference' });
    expect(profile.loadMs?.provenance).toBe('estimated');
  });

  test('an estimate follows what other models were measured at on this machine', () => {
    const { store, profiles } = setUp();
    const known = boardModel();
    const unknown = boardModel({ file: '/models/nobody-4b-q4_0.gguf' });
    const other = { ...unknown, id: modelPolicy('other').id };
    const before = profiles.profileOf(other, modelFacts()).decodeTokensPerSec?.value ?? 0;
    save(store, [figure(known, 24.8)]);
    profiles.profileOf(known, modelFacts());
    const after = profiles.profileOf(other, modelFacts()).decodeTokensPerSec;
    expect(after?.provenance).toBe('estimated');
    // The board does 2.48 with this model; a machine ten times as fast is taken to be so for the other one as well.
    expect((after?.value ?? 0) / before).toBeGreaterThan(7);
  });

  test('a run stored by another process is picked up within five seconds', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const { clock, profiles } = setUp(file);
    const model = boardModel();
    expect(profiles.profileOf(model, modelFacts()).decodeTokensPerSec?.provenance).toBe('reference');
    const other = openStore(file, { clock });
    save(other, [figure(model, 4)]);
    other.close();
    clock.advance(5_000);
    expect(profiles.profileOf(model).decodeTokensPerSec?.value).toBe(4);
  });
});

describe('observe', () => {
  test('what was observed is known after a restart', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const model = boardModel();
    const first = setUp(file);
    first.profiles.profileOf(model, modelFacts());
    first.profiles.observe(model, seen);
    first.store.flush();
    const second = setUp(file);
    expect(second.profiles.profileOf(model, modelFacts()).prefillTokensPerSec).toMatchObject({
      value: 10,
      provenance: 'observed',
      n: 1,
    });
  });

  test('a policy reload that changes nothing keeps what is not on disk yet', () => {
    const { profiles } = setUp();
    const model = boardModel();
    profiles.profileOf(model, modelFacts());
    profiles.observe(model, seen);
    expect(profiles.profileOf({ ...model }, modelFacts()).decodeTokensPerSec?.provenance).toBe('observed');
  });

  test('only the last 50 samples count', () => {
    const { clock, profiles } = setUp();
    const model = boardModel();
    profiles.profileOf(model, modelFacts());
    for (let index = 0; index < 60; index += 1) profiles.observe(model, { ...seen, decodeMs: index < 30 ? 1 : 10_000 });
    clock.advance(1_000);
    expect(profiles.profileOf(model).decodeTokensPerSec).toMatchObject({ value: 5, n: 50 });
  });
});

describe('charsPerToken', () => {
  const prompt = (promptChars: number) => ({ promptChars, promptTokens: 12 + promptChars / 3, messageCount: 1 });

  test("follows the users' own text once it gives a line, although a benchmark measured another", () => {
    const { clock, store, profiles } = setUp();
    const model = boardModel();
    save(store, [
      figure(model, 4, { metric: 'charsPerToken' }),
      figure(model, 30, { metric: 'templateTokens' }),
      figure(model, 5),
    ]);
    const textOf = () => {
      clock.advance(1_000);
      const { charsPerToken, templateTokens } = profiles.profileOf(model, modelFacts());
      return [charsPerToken?.value, templateTokens?.value, charsPerToken?.provenance];
    };
    expect(textOf()).toEqual([4, 30, 'measured']);
    for (const chars of [300, 330, 360, 390]) profiles.observe(model, prompt(chars));
    expect(textOf()).toEqual([4, 30, 'measured']);
    profiles.observe(model, prompt(900));
    expect(textOf()).toEqual([expect.closeTo(3, 6), expect.closeTo(12, 6), 'observed']);
    expect(profiles.profileOf(model).decodeTokensPerSec?.value).toBe(5);
  });
});

describe('onMeasured', () => {
  test('tells of a model whose rates were measured anew, once, and of no other', () => {
    const { store, profiles } = setUp(join(temporaryFolder(), 'sluice.db'));
    const told: string[] = [];
    profiles.onMeasured((model) => told.push(model));
    const [model, other] = [boardModel(), boardModel({ id: modelId('other') })];
    appendFileSync(other.file, 'of another model');
    for (const one of [model, other]) profiles.profileOf(one, modelFacts());
    const second = openStore(store.file, { clock: fakeClock() });
    onTestFinished(() => second.close());
    save(second, [figure(model, 5)]);
    profiles.refresh();
    profiles.refresh();
    save(second, [figure(other, 3)], { id: 'theirs', provenance: 'imported' });
    profiles.refresh();
    expect(told).toEqual([model.id]);
  });
});
