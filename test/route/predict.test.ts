import { describe, expect, it } from 'vitest';
import type { Prediction, Workload } from '../../src/core/decision.ts';
import { type Knowledge, NO_KNOWLEDGE } from '../../src/core/knowledge.ts';
import type { LaneView, ModelView, Residency } from '../../src/core/snapshot.ts';
import { lookAtQueue, predict } from '../../src/route/predict.ts';
import { laneEntry, laneView, measured, modelPolicy, modelView, NOW_MS, snapshotOf, workload } from './small-policy.ts';

const model = modelPolicy('a');
const lane = laneView('cpu');
const rates = measured({ prefill: 100, decode: 10, loadMs: 3000, fixedMs: 200 });
const prior = { quantile: 0.8, outputTokens: 50 };

type Given = {
  readonly view?: Partial<ModelView>;
  readonly asked?: Partial<Workload>;
  readonly memoryWaitMs?: number;
  readonly evictMs?: number;
  readonly on?: LaneView;
  readonly elsewhere?: readonly LaneView[];
  readonly knows?: Partial<Knowledge>;
};

function predicted(given: Given = {}): Prediction {
  const asked = workload(given.asked);
  const on = given.on ?? lane;
  const knowledge = { ...NO_KNOWLEDGE, ...given.knows };
  const snapshot = snapshotOf({}, { knowledge, lanes: [on, ...(given.elsewhere ?? [])] });
  return predict(
    { workload: asked, snapshot, prior, outputs: new Map() },
    {
      model,
      device: 'cpu',
      view: modelView({ profile: rates, ...given.view }),
      queue: lookAtQueue(on, asked, NOW_MS),
      memoryWaitMs: given.memoryWaitMs ?? 0,
      evictMs: given.evictMs ?? 0,
    },
  );
}

describe('predict', () => {
  it('adds fixed part, prompt over prefill rate and output over decode rate', () => {
    expect(predicted()).toMatchObject({
      promptTokens: 100,
      outputTokens: 50,
      waitMs: 0,
      loadMs: 0,
      prefillMs: 1200,
      decodeMs: 5000,
      ttftMs: 1200,
      e2eMs: 6200,
      basis: 'measured',
    });
  });

  it.each<[Residency, number]>([
    [{ kind: 'ready' }, 0],
    [{ kind: 'busy' }, 0],
    [{ kind: 'stopped' }, 3000],
    [{ kind: 'draining' }, 3000],
    [{ kind: 'starting', remainingMs: 700 }, 700],
    [{ kind: 'starting', remainingMs: -50 }, 0],
    [{ kind: 'backoff', retryInMs: 2000, reason: 'exited' }, 5000],
  ])('a child that is %j has %s ms of load ahead', (residency, loadMs) => {
    const prediction = predicted({ view: { residency } });
    expect(prediction.loadMs).toBe(loadMs);
    expect(prediction.ttftMs).toBe(loadMs + 1200);
  });

  it('the wait is the longest of lane, slot and memory', () => {
    const busy = laneView('cpu', { running: [laneEntry({ remainingMs: 4000, model: 'other' })] });
    expect(predicted({ on: busy }).waitMs).toBe(4000);
    expect(predicted({ view: { slotWaitMs: 6000 }, on: busy }).waitMs).toBe(6000);
    expect(predicted({ view: { slotWaitMs: 6000 }, memoryWaitMs: 9000, on: busy })).toMatchObject({
      waitMs: 9000,
      ttftMs: 10_200,
    });
  });

  it('a running request of the same model makes it wait though a lane is free', () => {
    const half = laneView('cpu', { lanes: 2, running: [laneEntry({ remainingMs: 4000, model: 'a' })] });
    expect(predicted({ on: half }).waitMs).toBe(4000);
  });

  it('an exact token count wins over characters', () => {
    expect(predicted({ asked: { promptTokensExact: 77 } })).toMatchObject({
      promptTokens: 77,
      promptTokensBasis: 'counted',
    });
  });

  it('without a learned ratio a token is 3.6 characters and every message adds five', () => {
    const { charsPerToken: _ratio, templateTokens: _template, ...bare } = rates;
    const prediction = predicted({ view: { profile: bare }, asked: { promptChars: 360, messageCount: 3 } });
    expect(prediction).toMatchObject({ promptTokens: 115, promptTokensBasis: '3.6 chars per token, default' });
  });

  it('the basis is the least trusted figure, and a load time counts only when a load is ahead', () => {
    const reference = { ...rates.decodeTokensPerSec!, provenance: 'reference' } as const;
    const estimated = { ...rates.loadMs!, provenance: 'estimated' } as const;
    const profile = { ...rates, decodeTokensPerSec: reference, loadMs: estimated };
    expect(predicted({ view: { profile } }).basis).toBe('reference');
    expect(predicted({ view: { profile, residency: { kind: 'stopped' } } }).basis).toBe('estimated');
  });

  it('a model nobody knows anything about is still predicted, from estimates', () => {
    const prediction = predicted({ view: { profile: {}, facts: undefined } });
    expect(prediction.basis).toBe('estimated');
    expect(prediction.e2eMs).toBeGreaterThan(0);
    expect(Number.isFinite(prediction.e2eMs)).toBe(true);
  });
});
