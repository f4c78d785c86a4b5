import { describe, expect, it } from 'vitest';
import { modelId } from '../../src/core/ids.ts';
import type { Policy } from '../../src/core/policy.ts';
import { judgeSnapshot } from '../../src/report/judge-snapshot.ts';
import { type BoardState, board, EVERYTHING, shippedPolicy } from '../route/board.ts';
import { measured } from '../route/small-policy.ts';

const verdictsOf = (state: BoardState, policy: Policy = shippedPolicy) =>
  Object.fromEntries(
    [...judgeSnapshot(policy, board({ available: EVERYTHING, ...state }))].map(([id, { verdict }]) => [id, verdict]),
  );

describe('judgeSnapshot', () => {
  it('judges the shipped policy on the reference board as its owners did', () => {
    expect(verdictsOf({})).toEqual({
      'qwen3.5-0.8b': 'excellent',
      'qwen3.5-2b': 'comfortable',
      'qwen3.5-4b': 'best default',
      'qwen3.5-9b': 'deliberate',
      'qwen3.5-27b': 'not practical',
      'qwen3-1.7b': 'excellent',
      'qwen2.5-3b': 'excellent',
      'qwen2.5-coder-3b': 'deliberate',
    });
  });

  it('leaves out what cannot be used, and names another default then', () => {
    const judged = judgeSnapshot(shippedPolicy, board({ available: ['qwen3.5-9b'] }));
    expect([...judged.keys()]).toEqual(['qwen3.5-9b']);
  });

  it('follows the rules of the policy', () => {
    const verdicts = { ...shippedPolicy.verdicts, npuDecodeFloor: 7, excellentMs: 5_000 };
    expect(verdictsOf({}, { ...shippedPolicy, verdicts })).toMatchObject({
      'qwen3-1.7b': 'comfortable',
      'qwen2.5-3b': 'deliberate',
      'qwen3.5-0.8b': 'comfortable',
    });
  });

  it('keeps a quarantined model, and one that conversations are kept from, from being the default', () => {
    expect(verdictsOf({ views: { 'qwen3.5-4b': { quarantined: '9 of 10 answers had fallen apart' } } })).toMatchObject({
      'qwen3.5-4b': 'not practical',
    });
    const four = shippedPolicy.models.get(modelId('qwen3.5-4b'))!;
    const models = new Map([...shippedPolicy.models, [four.id, { ...four, classes: ['batch'] as const }]]);
    expect(Object.values(verdictsOf({}, { ...shippedPolicy, models }))).not.toContain('best default');
    const vectors = { ...four, capabilities: { generation: false } };
    const without = new Map([...shippedPolicy.models, [four.id, vectors]]);
    expect(verdictsOf({}, { ...shippedPolicy, models: without })).not.toMatchObject({ 'qwen3.5-4b': 'best default' });
  });

  it('says where the figures are from and whether they are provisional', () => {
    const profile = measured({ prefill: 12, decode: 3 });
    const few = { ...profile, decodeTokensPerSec: { ...profile.decodeTokensPerSec!, n: 3 } };
    const judged = judgeSnapshot(shippedPolicy, board({ views: { 'qwen3.5-4b': { profile: few } } }));
    expect(judged.get(modelId('qwen3.5-4b'))).toMatchObject({ basis: 'measured', provisional: true });
    expect(judged.get(modelId('qwen3.5-9b'))).toMatchObject({ basis: 'reference', provisional: false });
  });
});
