import { describe, expect, it } from 'vitest';
import { closestName, didYouMean } from '../../src/policy/suggest.ts';

const known = ['gateway', 'machine', 'queue_depth', 'lanes', 'e2e'];

describe('closestName', () => {
  it.each([
    ['gatway', 'gateway'],
    ['gaetway', 'gateway'],
    ['queueDepth', 'queue_depth'],
    ['queue-depth', 'queue_depth'],
    ['lane', 'lanes'],
    ['zzz', undefined],
    ['gate', undefined],
  ])('%s → %s', (name, closest) => {
    expect(closestName(name, known)).toBe(closest);
  });
});

describe('didYouMean', () => {
  it('says nothing when no name is near', () => {
    expect(didYouMean('zzz', known)).toBe('');
    expect(didYouMean('lane', known)).toBe(', did you mean "lanes"?');
  });
});
