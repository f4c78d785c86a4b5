import { describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { hideValues } from '../../src/policy/hide-values.ts';

describe('hideValues', () => {
  it('hides values of environments, and nothing else', () => {
    const text = `version: 1 # one
machine:
  environment:
    TOKEN: abc # a comment stays
    OTHER: 'd e f'
  before_start:
    - { command: [true], env: { HF_TOKEN: secret } }
clients: [{ name: bot, key_env: BOT_KEY }]
`;
    expect(hideValues(text)).toBe(`version: 1 # one
machine:
  environment:
    TOKEN: "(hidden)" # a comment stays
    OTHER: "(hidden)"
  before_start:
    - { command: [true], env: { HF_TOKEN: "(hidden)" } }
clients: [{ name: bot, key_env: BOT_KEY }]
`);
  });

  it.each([
    ['a block of lines', 'environment:\n  A: |\n    secret one\n    secret two\n  B: x\n'],
    ['an alias of one value', 'note: &token secret\nenvironment:\n  A: *token\n'],
    ['an alias of the map', 'base: &base\n  A: secret\nenvironment: *base\n'],
    ['a merged map', 'base: &base { A: secret }\nenvironment:\n  <<: *base\n  B: 1\n'],
    ['a list', 'environment:\n  A: [secret, 1]\n'],
  ])('hides %s', (_, text) => {
    const shown = hideValues(text);
    expect(shown).not.toContain('secret');
    expect(parseDocument(shown ?? '').errors).toEqual([]);
  });

  it('leaves a text without environments alone', () => {
    const text = '# nothing\nversion: 1\n\nmodels: {}\n';
    expect(hideValues(text)).toBe(text);
    expect(hideValues('')).toBe('');
    expect(hideValues('environment:\n  A:\n')).toBe('environment:\n  A:\n');
  });

  it('gives nothing of a text that is no YAML', () => {
    expect(hideValues('environment: { A: secret\nversion: [')).toBeUndefined();
  });
});
