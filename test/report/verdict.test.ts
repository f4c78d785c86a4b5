import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePolicy } from '../../src/policy/parse.ts';
import { paretoFront } from '../../src/report/pareto-front.ts';
import { type Judged, judgeModels, VERDICTS } from '../../src/report/verdict.ts';

const VERDICT_RULES = parsePolicy('version: 1', '<defaults>').verdicts;
const STANDARD_CHAT = VERDICT_RULES.chat;
const BUDGET_MB = 22_000;
const chatMs = (prefillRate: number, decodeRate: number) =>
  (STANDARD_CHAT.promptTokens / prefillRate + STANDARD_CHAT.outputTokens / decodeRate) * 1000;

const cpu = (model: string, [prefill, decode, peakMb, quality]: readonly [number, number, number, number]): Judged => ({
  model,
  mayChat: true,
  chatMs: chatMs(prefill, decode),
  decodeTokensPerSec: decode,
  memoryShare: peakMb / BUDGET_MB,
  quality,
  quarantined: false,
  isNpu: false,
});
const npu = (model: string, [ttftMs, decode, quality]: readonly [number, number, number]): Judged => ({
  model,
  mayChat: true,
  chatMs: ttftMs + (STANDARD_CHAT.outputTokens / decode) * 1000,
  decodeTokensPerSec: decode,
  memoryShare: 0.1,
  quality,
  quarantined: false,
  isNpu: true,
});

// The reference board's library: prompt and decode rates, peak memory, quality prior; on the NPU TTFT, rate, prior.
const BOARD: readonly Judged[] = [
  cpu('0.8b', [25.11, 8.07, 1120.6, 0.45]),
  cpu('2b', [16.18, 5.54, 2548.6, 0.58]),
  cpu('4b', [9.73, 2.48, 5382.2, 0.7]),
  cpu('9b', [6.48, 1.62, 10_222.3, 0.8]),
  cpu('27b', [1.91, 0.54, 20_808.7, 0.88]),
  npu('npu-1.7b', [363.07, 8.32, 0.52]),
  npu('npu-3b', [900.4, 5.91, 0.6]),
  npu('npu-coder-3b', [1181.98, 4.42, 0.6]),
  npu('npu-4b', [2500, 3.13, 0.62]),
];
const INTERACTIVE = { e2eMs: 45_000, minQuality: 0.65 };
const verdicts = (models: readonly Judged[]) =>
  Object.fromEntries([...judgeModels(models, VERDICT_RULES, INTERACTIVE)].map(([id, { verdict }]) => [id, verdict]));

describe('judgeModels', () => {
  it('comes to the verdicts of those who measured the reference board', () => {
    expect(verdicts(BOARD)).toEqual({
      '0.8b': 'excellent', // excellent raw speed
      '2b': 'comfortable', // strong fast fallback
      '4b': 'best default', // best balance
      '9b': 'deliberate', // slow but practical
      '27b': 'not practical',
      'npu-1.7b': 'excellent', // best NPU speed
      'npu-3b': 'excellent', // best NPU quality and speed
      'npu-coder-3b': 'deliberate', // slower coding specialist
      'npu-4b': 'deliberate', // below 5 tok/s
    });
  });

  it('names the figure that decided', () => {
    const judged = judgeModels(BOARD, VERDICT_RULES, INTERACTIVE);
    expect(judged.get('27b')?.why).toBe('95 % of the memory and 0.54 tok/s');
    expect(judged.get('4b')?.why).toBe('highest quality (0.7) of those in time: standard chat 34 s <= 45 s');
    expect(judged.get('npu-coder-3b')?.why).toBe('4.42 tok/s < 5.00 tok/s on an NPU');
  });

  it('calls a fast model whose answers fall apart not practical', () => {
    const garbage = { ...npu('garbage', [85.67, 29.8, 0.9]), quarantined: true };
    expect(verdicts([...BOARD, garbage])).toMatchObject({ garbage: 'not practical', '4b': 'best default' });
  });

  it('says where a part of the time is not known, and takes no model of unknown quality for the default', () => {
    const unknown = { ...cpu('x', [10, 2, 1000, 0.7]), isPrefillUnknown: true, quality: undefined };
    const judged = judgeModels([unknown], VERDICT_RULES, INTERACTIVE);
    expect(judged.get('x')).toEqual({ verdict: 'deliberate', why: 'standard chat at least 40 s > 30 s' });
  });

  it('leaves a slow model that fits to the night', () => {
    expect(verdicts([cpu('14b', [4, 1.1, 12_000, 0.84])])).toEqual({ '14b': 'deliberate' });
    expect(verdicts([cpu('20b', [2.5, 0.8, 15_000, 0.86])])).toEqual({ '20b': 'batch only' });
    expect(verdicts([cpu('moe', [20, 6, 20_000, 0.86])])).toEqual({ moe: 'batch only' });
  });

  it('gives every model one verdict and at most one the default, whatever the figures', () => {
    const any = fc.record({
      model: fc.uuid(),
      chatMs: fc.double({ min: 1, max: 1e7, noNaN: true }),
      decodeTokensPerSec: fc.double({ min: 0.01, max: 1000, noNaN: true }),
      memoryShare: fc.option(fc.double({ min: 0, max: 2, noNaN: true }), { nil: undefined }),
      quality: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
      mayChat: fc.boolean(),
      quarantined: fc.boolean(),
      isNpu: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 12 }), (models) => {
        const judged = judgeModels(models, VERDICT_RULES, INTERACTIVE);
        for (const { model } of models) expect(VERDICTS).toContain(judged.get(model)?.verdict);
        const defaults = [...judged.values()].filter(({ verdict }) => verdict === 'best default');
        expect(defaults.length).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('paretoFront', () => {
  it('keeps exactly the points nobody beats in both', () => {
    const point = fc.record({ quality: fc.integer({ min: 0, max: 9 }), latencyMs: fc.integer({ min: 1, max: 9 }) });
    fc.assert(
      fc.property(fc.array(point), (points) => {
        const front = paretoFront(points);
        const beats = (a: (typeof points)[0], b: (typeof points)[0]) =>
          a.quality >= b.quality && a.latencyMs <= b.latencyMs && (a.quality > b.quality || a.latencyMs < b.latencyMs);
        for (const one of front) expect(points.some((other) => beats(other, one))).toBe(false);
        for (const one of points) {
          if (!points.some((other) => beats(other, one))) expect(front).toContainEqual(one);
        }
      }),
    );
  });
});
