import { describe, expect, it } from 'vitest';
import { measuredEndpoints } from '../../scripts/translation-cost/endpoints.ts';
import { renderTranslation, type TranslationResult } from '../../scripts/translation-cost/result.ts';
import { measureWriter } from '../../scripts/translation-cost/writer-cost.ts';
import { GENERATION_CODECS } from '../../src/dialects/codecs.ts';

describe('measuredEndpoints', () => {
  it('has a request for a stream of every language', () => {
    const endpoints = measuredEndpoints();
    expect(endpoints.map(({ codec }) => codec)).toEqual(GENERATION_CODECS);
    for (const { codec, body } of endpoints)
      expect(codec.decode(Buffer.from(body), () => undefined).facts.stream).toBe(true);
  });
});

describe('measureWriter', () => {
  it('tells what passes through from what is translated', () => {
    const costs = measuredEndpoints().map((one) => [one.codec.path, measureWriter(one, 200)] as const);
    const through = costs.filter(([, { isPassThrough }]) => isPassThrough).map(([path]) => path);
    expect(through).toEqual(['/v1/chat/completions', '/v1/completions']);
    for (const [, { usPerToken }] of costs) expect(usPerToken).toBeGreaterThanOrEqual(0);
  });
});

describe('renderTranslation', () => {
  it('shows every figure with the limit it is held against', () => {
    const result: TranslationResult = {
      version: 1,
      at: '2026-11-21T10:00:00.000Z',
      hostKind: 'x64-2cpu',
      fingerprint: { node: 'v20.20.2', commit: 'abc1234', loadAverageBefore: 0.21 },
      rounds: 3,
      pace: { tokens: 2000, gapUs: 1000, streams: 20, clients: 4 },
      rows: [
        {
          path: '/api/chat',
          isPassThrough: false,
          writerUs: 2.31,
          gatewayUs: 60,
          relayUs: 30,
          addedUs: 30,
          limitUs: 25,
          verdict: 'misses',
        },
      ],
    };
    expect(renderTranslation(result)).toContain(
      '| `/api/chat` | translated | 2.3 | 60.0 | 30.0 | 30.0 | 2.00 | 25 | misses |',
    );
  });
});
