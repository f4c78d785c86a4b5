import { describe, expect, it } from 'vitest';
import { readEnd } from '../../../src/dialects/openai/engine-end.ts';
import { patchReply } from '../../../src/dialects/openai/patch-reply.ts';

const timings = { cache_n: 11, prompt_n: 5, prompt_ms: 40.5, predicted_n: 9, predicted_ms: 120.25, draft_n: 0 };

describe('readEnd', () => {
  it('reads figures and the finish reason out of a whole reply', () => {
    const text = JSON.stringify({ choices: [{ finish_reason: 'stop', message: { content: 'x' } }], timings });
    expect(readEnd(text)).toEqual({
      finishReason: 'stop',
      promptTokens: 16,
      cachedTokens: 11,
      outputTokens: 9,
      prefillMs: 40.5,
      decodeMs: 120.25,
    });
  });

  it('is not deceived by an answer that talks about timings', () => {
    const content = '"finish_reason":"length" and "timings":{"prompt_n":99}';
    const text = JSON.stringify({ choices: [{ finish_reason: 'stop', message: { content } }], timings });
    expect(readEnd(text)).toMatchObject({ finishReason: 'stop', promptTokens: 16 });
  });

  it('takes the last timings of a stream', () => {
    const early = `data: ${JSON.stringify({ timings: { ...timings, predicted_n: 1 } })}\n\n`;
    const late = `data: ${JSON.stringify({ choices: [{ finish_reason: 'length' }], timings })}\n\n`;
    expect(readEnd(early + late)).toMatchObject({ outputTokens: 9, finishReason: 'length' });
  });

  it('knows nothing where the engine said nothing', () => {
    expect(Object.values(readEnd('{"choices":[]}')).every((value) => value === undefined)).toBe(true);
    expect(readEnd('"timings":{"prompt_n":').promptTokens).toBeUndefined();
    expect(readEnd('"timings":{"nested":{"a":1}}').promptTokens).toBeUndefined();
  });
});

describe('patchReply', () => {
  it('puts our field last and leaves the rest as it is', () => {
    const reply = Buffer.from('{ "a": {"b": "}"}, "ü": 1 }\n');
    expect(patchReply(reply, '{"model":"m"}').toString()).toBe(
      '{ "a": {"b": "}"}, "ü": 1 ,"x_router":{"model":"m"}}\n',
    );
  });

  it('leaves bytes alone that hold no object', () => {
    expect(patchReply(Buffer.from('nothing'), '{}').toString()).toBe('nothing');
  });
});
