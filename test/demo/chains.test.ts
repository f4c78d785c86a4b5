import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildChains, type Chains, chainPieces, fallbackLogit } from '../../src/demo/chains.ts';
import { controlTokens } from '../../src/demo/chat-template.ts';
import { demoTierIds, tiers } from '../../src/demo/tiers.ts';
import { buildVocabulary } from '../../src/demo/vocabulary.ts';

/** Greedy decoding over the chains, as the model does it, with some tokens banned. */
function say(chains: Chains, from: string, banned: readonly string[] = [], limit = 200): string {
  let text = '';
  for (let token = from, count = 0; count < limit; count += 1) {
    const wanted = (chains.after.get(token) ?? chains.otherwise).filter(({ next }) => !banned.includes(next));
    const best = wanted.toSorted((a, b) => b.logit - a.logit)[0];
    if (best === undefined || best.next === controlTokens.end) return text;
    text += best.next;
    token = best.next;
  }
  return text;
}

const plain = (text: string): string => text.replaceAll('\u2581', ' ');

describe('buildChains', () => {
  it.each([...demoTierIds, 'tiny'] as const)('%s says its sentence after any token it does not know', (id) => {
    expect(plain(say(buildChains(tiers[id].sentence), 'x'))).toBe(tiers[id].sentence);
  });

  it.each(demoTierIds)('%s takes 10 to 24 tokens for its sentence', (id) => {
    const { sentence } = tiers[id];
    let tokens = 0;
    const chains = buildChains(sentence);
    for (let text = ''; plain(text) !== sentence; tokens += 1) text = say(chains, 'x', [], tokens + 1);
    expect(tokens).toBeGreaterThanOrEqual(10);
    expect(tokens).toBeLessThanOrEqual(24);
  });

  it('starts the sentence over when the end is banned', () => {
    const said = plain(say(buildChains('I am it.'), 'x', [controlTokens.end], 11));
    expect(said).toBe('I am it. I am it. I am it.');
  });

  it('says the sentence inside quotes and then wants the closing quote', () => {
    const said = plain(say(buildChains('I am the tiny tier.'), '"', [controlTokens.end], 6));
    expect(said).toBe('I am the tiny tier."');
  });

  it('writes the tool call after its control token', () => {
    const said = plain(say(buildChains('Hello.'), controlTokens.call));
    expect(said).toBe('<tool_call>\n{"name": "get_weather", "arguments": {"city": "Berlin"}}\n</tool_call>');
  });

  it('says any sentence of any words, plain, over and over, and in quotes', () => {
    const word = fc.stringMatching(/^[a-z]{1,3}[.,]?$/);
    const sentences = fc.array(word, { minLength: 1, maxLength: 12 }).map((words) => words.join(' '));
    fc.assert(
      fc.property(
        sentences.filter((sentence) => sentence.length > 2),
        (sentence) => {
          const chains = buildChains(sentence);
          expect(plain(say(chains, '?'))).toBe(sentence);
          expect(plain(say(chains, '?', [controlTokens.end]))).toMatch(`${sentence} ${sentence}`);
          expect(plain(say(chains, '"', [controlTokens.end]))).toMatch(`${sentence}"`);
        },
      ),
    );
  });

  it('refuses a sentence that is too short to be cut in two ways', () => {
    expect(() => buildChains('a')).toThrow(/too short/);
  });
});

describe('fallbackLogit', () => {
  it('prefers ending to closing, closing to characters, and characters to white space and words', () => {
    const order = [controlTokens.end, '}', ']', '<', ',', ':', '"', '0', '!', 'a', 'z', '\u2581the'];
    const logits = order.map((text) => fallbackLogit(text, text === controlTokens.end ? 'control' : 'normal'));
    expect(logits).toEqual(logits.toSorted((a, b) => b - a));
    expect(new Set(logits).size).toBe(logits.length);
    expect(fallbackLogit('\n', 'normal')).toBeLessThan(fallbackLogit('z', 'normal'));
  });
});

describe('buildVocabulary', () => {
  const vocabulary = buildVocabulary([...chainPieces(buildChains(tiers.tiny.sentence))]);

  it('has no text twice, because llama.cpp refuses that', () => {
    expect(new Set(vocabulary.tokens.map((token) => token.text)).size).toBe(vocabulary.tokens.length);
  });

  it('has a token for every byte', () => {
    expect(vocabulary.tokens.filter((token) => token.kind === 'byte')).toHaveLength(256);
  });

  it('has every piece of the chains', () => {
    for (const piece of chainPieces(buildChains(tiers.tiny.sentence))) expect(vocabulary.idOf.has(piece)).toBe(true);
  });

  it('has the prefixes that lead to a word, because words are merged step by step', () => {
    for (const prefix of ['\u2581t', '\u2581th', '\u2581the']) expect(vocabulary.idOf.has(prefix)).toBe(true);
  });
});
