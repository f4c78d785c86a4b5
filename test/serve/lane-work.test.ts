import { describe, expect, it } from 'vitest';
import type { Prediction } from '../../src/core/decision.ts';
import { NO_KNOWLEDGE } from '../../src/core/knowledge.ts';
import { cancelMsOf, expectedWorkMs, mustStartWithinMs, workLeft } from '../../src/serve/lane-work.ts';

// 3 s load, 2 s prefill; an answer of 20 tokens in the middle and 40 at the quantile, 100 ms each.
const predicted = {
  loadMs: 3000,
  prefillMs: 2000,
  decodeMs: 4000,
  decodeMedianMs: 2000,
  outputTokensMedian: 20,
  promptTokens: 1000,
  cachedTokens: 0,
  outputKey: { class: 'batch', task: 'chat', family: 'x', thinking: false },
  service: { prefillMsPerToken: 50, decodeMsPerToken: 100 },
  calibration: { prefill: 1.5, decode: 1.5 },
  // What these functions read of a prediction.
} as Prediction;
const target = (e2eMs?: number, ttftMs?: number) => ({ e2eMs, ttftMs, source: 'test' });

describe('expectedWorkMs', () => {
  it('lies between the median answer and the long one', () => {
    expect(expectedWorkMs(predicted)).toBe(8000);
  });
});

describe('mustStartWithinMs', () => {
  it('leaves room for the whole run before the E2E target and for the first token before the TTFT target', () => {
    expect(mustStartWithinMs(target(20_000), predicted)).toBe(11_000);
    expect(mustStartWithinMs(target(20_000, 6000), predicted)).toBe(1000);
    expect(mustStartWithinMs(target(5000), predicted)).toBe(-4000);
    expect(mustStartWithinMs(target(), predicted)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('cancelMsOf', () => {
  it('is the time of one micro-batch of the prompt, by default 512 tokens, or of what there is to read', () => {
    expect(cancelMsOf(predicted, 64)(0)).toBe(4800);
    expect(cancelMsOf(predicted, undefined)(0)).toBe(38_400);
    expect(cancelMsOf({ ...predicted, cachedTokens: 980 }, 64)(0)).toBe(1500);
  });

  it('is the time of one token once the prompt is read', () => {
    expect(cancelMsOf(predicted, 64)(1999)).toBe(4800);
    expect(cancelMsOf(predicted, 64)(2000)).toBe(150);
  });
});

describe('workLeft', () => {
  const left = (from: 'prompt' | 'first token', remainingTokens = NO_KNOWLEDGE.remainingTokens, max?: number) =>
    workLeft(predicted, { from, knowledge: { remainingTokens }, outputTokensMax: max });

  it('falls with time through prompt and answer, and never to nothing', () => {
    const leftAt = left('prompt');
    expect(leftAt(0)).toBe(5000);
    expect(leftAt(1500)).toBe(3500);
    expect(leftAt(3000)).toBe(2000);
    expect(leftAt(60_000)).toBe(300);
    expect(left('first token')(1000)).toBe(2000);
  });

  it('follows what was left of answers that had come as far', () => {
    const asked: number[] = [];
    const leftAt = left('first token', (_, generated) => {
      asked.push(generated);
      return 60;
    });
    expect(leftAt(1050)).toBe(6000);
    expect(asked).toEqual([10]);
  });

  it('knows that max_tokens ends an answer', () => {
    const long = () => 500;
    expect(left('first token', long, 32)(1000)).toBe(2200);
    expect(left('first token', long, 32)(9000)).toBe(100);
  });
});
