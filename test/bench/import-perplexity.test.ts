import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { findRun } from '../../src/bench/compare-runs.ts';
import { readMachine } from '../../src/bench/fingerprint.ts';
import { importPerplexity } from '../../src/bench/import-perplexity.ts';
import { parseResult } from '../../src/bench/read-result.ts';
import { systemClock } from '../../src/core/clock.ts';
import { runtimeId } from '../../src/core/ids.ts';
import { openStore } from '../../src/store/open-store.ts';
import { createProfiles } from '../../src/store/profiles.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { modelPolicy } from '../route/small-policy.ts';

const FIXTURE = join(import.meta.dirname, '../fixtures/perplexity/kl-divergence.txt');

function places() {
  const folder = temporaryFolder();
  const weights = join(folder, 'small.gguf');
  writeFileSync(weights, 'weights');
  const store = openStore(':memory:', { clock: systemClock });
  onTestFinished(() => store.close());
  const model = { ...modelPolicy('small'), file: weights };
  const runtime = {
    ...{ id: runtimeId('llama'), kind: 'llama-server', device: 'cpu', settings: {} },
    ...{ binary: undefined, benchBinary: undefined, library: undefined },
  };
  return { folder, store, model, runtime, machine: readMachine(), sluiceVersion: '0.0.0' };
}

describe('importPerplexity', () => {
  it('puts the figures into the profile of the model as imported', () => {
    const given = places();
    const { document, isKnown } = importPerplexity(FIXTURE, given);
    expect(isKnown).toBe(false);
    expect(parseResult(JSON.stringify(document), 'stored')).toEqual(document);
    const profiles = createProfiles(given.store, systemClock);
    onTestFinished(() => profiles.close());
    const profile = profiles.profileOf(given.model);
    const about = { provenance: 'imported', n: 6, source: `llama-perplexity, run ${document.id}` };
    expect(profile.perplexity).toMatchObject({ value: 750.488692, ...about });
    expect(profile.klDivergence).toMatchObject({ value: 0.06566, ...about });
    expect(profile.sameTopToken?.high).toBe(1);
  });

  it('takes the same output once, and is never the latest run', () => {
    const given = places();
    const first = importPerplexity(FIXTURE, given);
    const copy = join(given.folder, 'copy.txt');
    copyFileSync(FIXTURE, copy);
    expect(importPerplexity(copy, given)).toMatchObject({ isKnown: true, document: { id: first.document.id } });
    expect(given.store.benchRuns()).toHaveLength(1);
    expect(() => findRun('latest', given.store)).toThrow('no run is called "latest"');
  });

  it('stores nothing of a broken file or for a model whose file is gone', () => {
    const given = places();
    const broken = join(given.folder, 'broken.txt');
    writeFileSync(broken, 'Final estimate: PPL = nan +/- nan\n');
    expect(() => importPerplexity(broken, given)).toThrow(`${broken}:1: expected two numbers, found "nan"`);
    expect(() => importPerplexity(join(given.folder, 'none.txt'), given)).toThrow('cannot be read');
    const gone = { ...given, model: { ...given.model, file: join(given.folder, 'gone.gguf') } };
    expect(() => importPerplexity(FIXTURE, gone)).toThrow('figures belong to a file');
    expect(given.store.benchRuns()).toEqual([]);
  });
});
