import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { modelId } from '../../../src/core/ids.ts';
import { decodeChat } from '../../../src/dialects/openai/decode.ts';
import { rewriteChat } from '../../../src/dialects/openai/rewrite-chat.ts';

const MODEL = modelId('demo-4b');
const messages = [{ role: 'user', content: 'hi' }];
const rewrite = (text: string, maxTokens?: number) => {
  const decoded = decodeChat(Buffer.from(text), () => undefined);
  return rewriteChat(decoded, MODEL, maxTokens ?? decoded.facts.maxTokens).toString('utf8');
};

describe('rewriteChat', () => {
  it('changes nothing but the model, not even white space', () => {
    const text =
      '{ "messages":[ {"role":"user","content":"héllo \\u00e9"} ],\n "model" :\t"auto" , "x":1.50e+1, "y":[ ] }';
    expect(rewrite(text)).toBe(text.replace('"auto"', '"demo-4b"'));
  });

  it('leaves a body without a model, or with the right one, as it is', () => {
    const without = '{"messages":[{"role":"user","content":"hi"}] }';
    expect(rewrite(without)).toBe(without);
    const same = '{"model":"demo-4b", "messages":[{"role":"user","content":"hi"}]}';
    expect(rewrite(same)).toBe(same);
  });

  it.each([
    ['the word model is also a text', { model: 'auto', messages: [{ role: 'user', content: 'model' }] }],
    ['another object has a model', { metadata: { model: 'auto' }, model: 'auto', messages }],
    ['the name needs escapes', { model: 'a"b\\c', messages }],
    ['the model is null', { model: null, messages }],
  ])('sets the top-level model alone when %s', (_, body) => {
    expect(JSON.parse(rewrite(JSON.stringify(body)))).toEqual({ ...body, model: 'demo-4b' });
  });

  it('is not misled by a key in other letters', () => {
    const text = '{"mod\\u0065l":"auto","metadata":{"model":"auto"},"messages":[{"role":"user","content":"x"}]}';
    expect(JSON.parse(rewrite(text))).toMatchObject({ model: 'demo-4b', metadata: { model: 'auto' } });
  });

  it('sets a lower bound under every name the engine reads it by', () => {
    const body = { model: 'auto', messages, max_tokens: 500, max_completion_tokens: 400, n_predict: 300, user: 'u' };
    expect(JSON.parse(rewrite(JSON.stringify(body), 100))).toEqual({
      model: 'demo-4b',
      messages,
      max_tokens: 100,
      user: 'u',
    });
  });

  it('keeps every other field of any body', () => {
    const field = fc
      .string()
      .filter((name) => !/^(model|messages|stop|tools|n|user|stream)$/.test(name) && name !== '__proto__');
    fc.assert(
      fc.property(fc.dictionary(field, fc.jsonValue({ maxDepth: 3 })), fc.string(), (fields, name) => {
        const body = { ...fields, model: name, messages };
        let text: string;
        try {
          text = rewrite(JSON.stringify(body));
        } catch (error) {
          // A field that happens to have a name we check.
          expect(error).toMatchObject({ code: 'invalid_request' });
          return;
        }
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify({ ...body, model: 'demo-4b' })));
      }),
    );
  });
});
