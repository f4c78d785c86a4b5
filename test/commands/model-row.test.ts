import { describe, expect, it } from 'vitest';
import { MODEL_HEADER, modelRow } from '../../src/commands/model-row.ts';

type Model = Parameters<typeof modelRow>[0];

const model = (given: Partial<Model>): Model =>
  ({
    ...{ id: 'a', device: 'cpu', quality: 0.7, simulated: false, state: { kind: 'ready' }, pid: 12 },
    ...{ availability: { kind: 'available' }, rss_bytes: 2e9, memory_bytes: 3e9, stale: [], quarantined: null },
    verdict: { verdict: 'comfortable', why: 'standard chat 17 s <= 30 s', basis: 'measured', provisional: false },
    ...given,
  }) as Model;

describe('modelRow', () => {
  it('fills a cell per column and says why the verdict is what it is', () => {
    const row = modelRow(model({}));
    expect(row).toHaveLength(MODEL_HEADER.length);
    expect(row).toEqual(['a', 'cpu', 'comfortable', '0.70', 'ready', '2.00 GB', '12', 'standard chat 17 s <= 30 s']);
  });

  it('says what weakens the figures', () => {
    const verdict = {
      verdict: 'not practical',
      why: 'its answers fall apart',
      basis: 'imported',
      provisional: true,
    } as const;
    const note = modelRow(
      model({ verdict, stale: ['kernel: 6.1 then, 6.6 now'], quarantined: '9 of 10 answers had fallen apart (run 1)' }),
    ).at(-1);
    expect(note).toBe(
      'quarantined: 9 of 10 answers had fallen apart (run 1); stale: kernel: 6.1 then, 6.6 now; its answers fall apart (imported); provisional: fewer than five samples',
    );
  });

  it('says why a model cannot be used, and gives it no verdict', () => {
    const availability = { kind: 'unavailable', reason: 'no file', remedy: 'put it there' } as const;
    const row = modelRow(model({ availability, verdict: null, pid: null, memory_bytes: null }));
    expect(row).toEqual(['a', 'cpu', '', '0.70', 'unavailable', '', '', 'no file; put it there']);
  });
});
