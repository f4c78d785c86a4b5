import { describe, expect, it } from 'vitest';
import type { Workload } from '../../src/core/decision.ts';
import type { ModelView, Residency } from '../../src/core/snapshot.ts';
import { guessOutput, lookAtQueue, predict } from '../../src/route/predict.ts';
import { laneEntry, laneView, measured, modelPolicy, modelView, NOW_MS, snapshotOf, workload } from './small-policy.ts';

const model = modelPolicy('a');
const output = { tokens: 50, basis: 'test' };
const lane = laneView('cpu');
const rates = measured({ prefill: 100, decode: 10, loadMs: 3000, fixedMs: 200 });

const predicted = (given: Partial<ModelView> = {}, asked: Partial<Workload> = {}, memoryWaitMs = 0, on = lane) =>
  predict(
    workload(asked),
    output,
    {
      model,
      view: modelView({ profile: rates, ...given }),
      queue: lookAtQueue(on, workload(asked), NOW_MS),
      memoryWaitMs,
    },
    NOW_MS,
  );

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
    const prediction = predicted({ residency });
    expect(prediction.loadMs).toBe(loadMs);
    expect(prediction.ttftMs).toBe(loadMs + 1200);
  });

  it('the wait is the longest of lane, slot and memory', () => {
    const busy = laneView('cpu', { running: [laneEntry({ remainingMs: 4000, model: 'other' })] });
    expect(predicted({}, {}, 0, busy).waitMs).toBe(4000);
    expect(predicted({ slotWaitMs: 6000 }, {}, 0, busy).waitMs).toBe(6000);
    expect(predicted({ slotWaitMs: 6000 }, {}, 9000, busy)).toMatchObject({ waitMs: 9000, ttftMs: 10_200 });
  });

  it('a running request of the same model makes it wait though a lane is free', () => {
    const half = laneView('cpu', { lanes: 2, running: [laneEntry({ remainingMs: 4000, model: 'a' })] });
    expect(predicted({}, {}, 0, half).waitMs).toBe(4000);
  });

  it('an exact token count wins over characters', () => {
    expect(predicted({}, { promptTokensExact: 77 })).toMatchObject({ promptTokens: 77, promptTokensBasis: 'counted' });
  });

  it('without a learned ratio a token is 3.6 characters and every message adds five', () => {
    const { charsPerToken: _ratio, templateTokens: _template, ...bare } = rates;
    const prediction = predicted({ profile: bare }, { promptChars: 360, messageCount: 3 });
    expect(prediction).toMatchObject({ promptTokens: 115, promptTokensBasis: '3.6 chars per token, default' });
  });

  it('the basis is the least trusted figure, and a load time counts only when a load is ahead', () => {
    const reference = { ...rates.decodeTokensPerSec!, provenance: 'reference' } as const;
    const estimated = { ...rates.loadMs!, provenance: 'estimated' } as const;
    const profile = { ...rates, decodeTokensPerSec: reference, loadMs: estimated };
    expect(predicted({ profile }).basis).toBe('reference');
    expect(predicted({ profile, residency: { kind: 'stopped' } }).basis).toBe('estimated');
  });

  it('a model nobody knows anything about is still predicted, from estimates', () => {
    const prediction = predicted({ profile: {}, facts: undefined });
    expect(prediction.basis).toBe('estimated');
    expect(prediction.e2eMs).toBeGreaterThan(0);
    expect(Number.isFinite(prediction.e2eMs)).toBe(true);
  });
});

describe('guessOutput', () => {
  const prior = { quantile: 0.8, outputTokens: 100 };
  const learned = (tokens: number) => snapshotOf({}, { outputTokens: () => ({ tokens, n: 143 }) });

  it('is the prior of the policy until traffic has taught better', () => {
    expect(guessOutput(workload(), snapshotOf({}), prior)).toEqual({
      tokens: 100,
      basis: 'class interactive p80, policy',
    });
    expect(guessOutput(workload(), learned(140), prior)).toEqual({
      tokens: 140,
      basis: 'class interactive p80, n=143',
    });
  });

  it('is never more than max_tokens and never less than one', () => {
    expect(guessOutput(workload({ outputTokensMax: 16 }), learned(140), prior)).toEqual({
      tokens: 16,
      basis: 'max_tokens',
    });
    expect(guessOutput(workload({ outputTokensMax: 4000 }), learned(140), prior).tokens).toBe(140);
    expect(guessOutput(workload({ outputTokensMax: 0 }), learned(140), prior).tokens).toBe(1);
  });
});
