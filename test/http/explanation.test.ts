import { describe, expect, it } from 'vitest';
import { classify } from '../../src/classify/classify.ts';
import { encodeExplanation, encodeRecord } from '../../src/http/explanation.ts';
import { decide } from '../../src/route/decide.ts';
import { requestFacts } from '../classify/request-facts.ts';
import { requestRecord } from '../helpers/request-record.ts';
import { board, shippedPolicy } from '../route/board.ts';

function explain(views: Parameters<typeof board>[0] = {}) {
  const facts = requestFacts({ lastUserText: 'Why does my loop never end?', promptChars: 400, maxTokens: 100 });
  const classified = classify(facts, shippedPolicy, undefined);
  if (classified.kind !== 'ok') throw new Error(classified.message);
  const snapshot = board(views);
  return encodeExplanation(classified.workload, decide(classified.workload, snapshot, shippedPolicy), snapshot);
}

describe('encodeExplanation', () => {
  it('shows of every candidate what its prediction stands on', () => {
    const explanation = explain();
    const four = explanation.candidates.find(({ model }) => model === 'qwen3.5-4b');
    expect(four).toMatchObject({
      feasible: true,
      stale: [],
      quarantined: null,
      residency: 'ready',
      profile: { decode_tokens_per_sec: { value: 2.48, provenance: 'reference', n: 0, age_s: null } },
      predicted: {
        basis: 'reference',
        drift: 'none',
        calibration: { prefill: 1, decode: 1, n: 0 },
        margin: { ttft: expect.any(Number), e2e: expect.any(Number) },
        co_run: { prefill: 1, decode: 1 },
        quantile: expect.any(Number),
      },
    });
    expect(four?.predicted?.e2e_median_ms).toBeLessThanOrEqual(four?.predicted?.e2e_ms ?? 0);
  });

  it('gives a reason to every loser and figures to every candidate that could be predicted', () => {
    const explanation = explain({ stopped: ['qwen3.5-9b'] });
    expect(explanation.candidates).toHaveLength(shippedPolicy.models.size);
    for (const { model, reason, predicted, feasible } of explanation.candidates) {
      expect([model, reason.length > 0]).toEqual([model, true]);
      if (feasible) expect(predicted).not.toBeNull();
    }
    expect(explanation.candidates.find(({ model }) => model === 'qwen3.5-9b')?.predicted?.load_ms).toBeGreaterThan(0);
  });

  it('says of which machine state stale figures are', () => {
    const explanation = explain({ views: { 'qwen3.5-4b': { stale: ['kernel 6.1.75, was 5.10.160'] } } });
    const four = explanation.candidates.find(({ model }) => model === 'qwen3.5-4b');
    expect(four).toMatchObject({ stale: ['kernel 6.1.75, was 5.10.160'], predicted: { basis: 'estimated' } });
  });

  it('is plain JSON', () => {
    const explanation = explain();
    expect(JSON.parse(JSON.stringify(explanation))).toEqual({ ...explanation, refusal: undefined });
  });
});

describe('encodeRecord', () => {
  it('holds actual against predicted', () => {
    const predicted = explain().candidates.find(({ model }) => model === 'qwen3.5-4b')?.predicted;
    expect(predicted).toBeDefined();
    const facts = requestFacts({ promptChars: 400, maxTokens: 100 });
    const classified = classify(facts, shippedPolicy, undefined);
    if (classified.kind !== 'ok') throw new Error(classified.message);
    const decision = decide(classified.workload, board(), shippedPolicy);
    if (decision.kind !== 'chosen') throw new Error('nobody was chosen');
    const { ttftMs, e2eMs } = decision.predicted;
    const record = encodeRecord(
      requestRecord({ predicted: decision.predicted, actual: { ttftMs: ttftMs * 1.1, e2eMs: e2eMs * 0.5 } }),
    );
    expect(record.error.ttft).toBeCloseTo(0.1, 3);
    expect(record.error.e2e).toBeCloseTo(-0.5, 3);
  });

  it('leaves out what a refused request never had', () => {
    const record = encodeRecord(
      requestRecord({
        model: undefined,
        actual: {},
        outcome: { kind: 'refused', code: 'outside_window', message: 'the window is closed' },
      }),
    );
    expect(record).toMatchObject({ model: null, predicted: null, error: { ttft: null, e2e: null, e2e_median: null } });
  });
});
