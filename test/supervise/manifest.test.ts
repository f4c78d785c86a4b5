import { describe, expect, it } from 'vitest';
import type { RunningManifest } from '../../src/core/runtime.ts';
import type { Entry } from '../../src/supervise/entry.ts';
import { correctFacts, knownFacts } from '../../src/supervise/manifest.ts';
import { modelFacts, modelPolicy } from '../helpers/policy-values.ts';

const guessed = modelFacts({ capabilitySources: { tools: 'chat template mentions tools', vision: 'no mmproj' } });
const manifest: RunningManifest = {
  contextTokens: 1024,
  capabilities: { tools: false, audio: true },
  source: '/props',
};

/** An entry whose child runs, or not; only what the function reads. */
function entryOf(given: {
  running: RunningManifest | undefined;
  signature?: string;
  facts?: typeof guessed | undefined;
}) {
  const connection = { manifest: () => given.running };
  return {
    model: modelPolicy('m'),
    inspection: { facts: 'facts' in given ? given.facts : guessed },
    signature: given.signature ?? 'a',
    startedSignature: 'a',
    child: { incarnation: { connection } },
  } as unknown as Entry;
}

const change = (entry: Entry, given: object): Entry => Object.assign(entry, given);

describe('correctFacts', () => {
  it("puts the child's word in place of the guess, and says whose word it is", () => {
    const facts = correctFacts(guessed, manifest, {});
    expect(facts.contextTokens).toBe(1024);
    expect(facts.capabilities).toEqual({ ...guessed.capabilities, tools: false, audio: true });
    expect(facts.capabilitySources).toEqual({ tools: '/props', audio: '/props', vision: 'no mmproj' });
  });

  it("leaves the operator's word as it is", () => {
    const facts = correctFacts(guessed, manifest, { tools: true });
    expect(facts.capabilities.tools).toBe(true);
    expect(facts.capabilitySources?.tools).toBe('chat template mentions tools');
  });
});

describe('knownFacts', () => {
  it('is the guess until a child has spoken, and nothing where there is no guess', () => {
    expect(knownFacts(entryOf({ running: undefined }))).toBe(guessed);
    expect(knownFacts(entryOf({ running: manifest, facts: undefined }))).toBeUndefined();
  });

  it('is the same object as long as nothing changed', () => {
    const entry = entryOf({ running: manifest });
    const facts = knownFacts(entry);
    expect(facts?.contextTokens).toBe(1024);
    expect(knownFacts(entry)).toBe(facts);
  });

  it('holds after the child was unloaded, and over a new look at the same file', () => {
    const entry = entryOf({ running: manifest });
    knownFacts(entry);
    change(entry, { child: { incarnation: undefined } });
    expect(knownFacts(entry)?.contextTokens).toBe(1024);
    change(entry, { inspection: { facts: modelFacts({ weightsBytes: 7 }) } });
    expect(knownFacts(entry)).toMatchObject({ contextTokens: 1024, weightsBytes: 7 });
  });

  it('is the guess again when file or settings have changed, whatever the old child says', () => {
    const entry = entryOf({ running: manifest });
    knownFacts(entry);
    change(entry, { signature: 'b' });
    expect(knownFacts(entry)).toBe(guessed);
  });
});
