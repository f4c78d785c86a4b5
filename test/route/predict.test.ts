import { describe, expect, it } from 'vitest';
import type { Prediction, Workload } from '../../src/core/decision.ts';
import { type Knowledge, NO_KNOWLEDGE } from '../../src/core/knowledge.ts';
import type { LaneView, ModelView, Residency } from '../../src/core/snapshot.ts';
import { predict } from '../../src/route/predict.ts';
import { lookAtQueue } from '../../src/route/queue-outlook.ts';
import { laneEntry, laneView, measured, modelPolicy, modelView, snapshotOf, workload } from './small-policy.ts';

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
      queue: lookAtQueue(on, asked, snapshot),
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
      decodeMs: 4900,
      ttftMs: 1200,
      e2eMs: 6100,
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

  it('tokens cost more the deeper they stand in the context', () => {
    const figure = (value: number) => ({ value, provenance: 'measured', n: 5, source: 'test' }) as const;
    const profile = { ...rates, prefillContextMs: figure(0.02), decodeContextMs: figure(0.1) };
    // 100 (10 + 0.02 * 50) + 200 and 49 (100 + 0.1 * (100 + 25)).
    expect(predicted({ view: { profile } })).toMatchObject({ prefillMs: 1300, decodeMs: 5512.5 });
  });

  it('tokens in the prefix cache are not read again, but for the last of the prompt', () => {
    const prefix = { hashes: [1], chars: [300], messages: [1], beforeAnswer: [false] };
    const held = (share: number) =>
      predicted({ asked: { prefix }, view: { prefixCache: { cachedShare: () => share } } });
    expect(held(0.75)).toMatchObject({ promptTokens: 100, cachedTokens: 75, prefillMs: 450 });
    expect(held(1)).toMatchObject({ cachedTokens: 99, prefillMs: 210 });
    expect(predicted({ view: { prefixCache: { cachedShare: () => 0.75 } } }).cachedTokens).toBe(0);
  });

  it('what traffic taught of the model corrects both parts and nothing else', () => {
    const calibration = () =>
      ({ prefill: { factor: 1.5, n: 9 }, decode: { factor: 0.8, n: 7 }, drift: 'drifting' }) as const;
    const corrected = predicted({ knows: { calibration }, view: { residency: { kind: 'stopped' } } });
    expect(corrected).toMatchObject({
      loadMs: 3000,
      prefillMs: 1800,
      decodeMs: 3920,
      calibration: { prefill: 1.5, decode: 0.8, n: 9, drift: 'drifting' },
    });
    expect(corrected.service).toMatchObject({ prefillFixedMs: 200, prefillMsPerToken: 10, decodeMsPerToken: 100 });
  });

  it('the promise carries the conformal factor, its parts do not', () => {
    const conformal = () => ({ ttft: Math.log(2), e2e: Math.log(1.5) });
    const promise = predicted({ knows: { conformal } });
    expect(promise).toMatchObject({ uncorrectedTtftMs: 1200, uncorrectedE2eMs: 6100, quantile: 0.8 });
    expect(promise.ttftMs).toBeCloseTo(2400, 6);
    expect(promise.e2eMs).toBeCloseTo(9150, 6);
  });

  it('the first token is never promised later than the whole answer', () => {
    const conformal = () => ({ ttft: 1, e2e: -0.3 });
    const promise = predicted({ knows: { conformal }, asked: { outputTokensMax: 1 } });
    expect(promise.e2eMs).toBeGreaterThanOrEqual(promise.ttftMs);
  });

  it('expects the median answer and promises the long one', () => {
    const outputTokens: Knowledge['outputTokens'] = (_, quantile) => ({
      tokens: quantile === 0.5 ? 20 : 60,
      n: 43,
      basis: 'class interactive, n=43',
    });
    expect(predicted({ knows: { outputTokens } })).toMatchObject({
      outputTokens: 60,
      outputTokensMedian: 20,
      outputTokensBasis: 'p80, class interactive, n=43',
      decodeMs: 5900,
      decodeMedianMs: 1900,
      e2eMs: 7100,
      e2eMedianMs: 3100,
    });
  });

  it('runs slower while another device works, where that was measured', () => {
    const coRun = [{ withDevice: 'npu', prefillFactor: 1.1, decodeFactor: 1.4, n: 5 }];
    const busy = laneView('npu', { running: [laneEntry({ model: 'other' })] });
    expect(predicted({ view: { coRun }, elsewhere: [busy] })).toMatchObject({ prefillMs: 1320, decodeMs: 6860 });
    expect(predicted({ view: { coRun } })).toMatchObject({ prefillMs: 1200, coRun: { prefill: 1, decode: 1 } });
  });

  it('a load is cold unless the file is likely in memory, and waits for whom it evicts', () => {
    const cold = { value: 9000, provenance: 'measured', n: 3, source: 'test' } as const;
    const stopped = { profile: { ...rates, loadColdMs: cold }, residency: { kind: 'stopped' } } as const;
    expect(predicted({ view: { ...stopped, fileWarm: true } }).loadMs).toBe(3000);
    expect(predicted({ view: { ...stopped, fileWarm: false } }).loadMs).toBe(9000);
    expect(predicted({ view: { ...stopped, fileWarm: false }, evictMs: 700 }).loadMs).toBe(9700);
    expect(predicted({ evictMs: 700 }).loadMs).toBe(0);
  });

  it('figures of another machine state are trusted less and promised more carefully', () => {
    const stale = { stale: ['kernel 6.1.99 -> 6.1.118'] };
    const promise = predicted({ view: stale });
    expect(promise.basis).toBe('observed');
    expect(promise.prefillMs).toBeCloseTo(1200 * Math.exp(0.2), 6);
  });

  it('estimates are promised more carefully until five runs have corrected them', () => {
    const guessed = { view: { profile: {} } };
    const runs = (n: number) => ({
      calibration: () => ({ prefill: { factor: 1, n }, decode: { factor: 1, n }, drift: 'none' }) as const,
    });
    const at = (n: number) => predicted({ ...guessed, knows: runs(n) }).decodeMs;
    expect(at(4)).toBeCloseTo(at(5) * Math.exp(0.2), 6);
  });
});
