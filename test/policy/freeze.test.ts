import { describe, expect, it } from 'vitest';
import { deepFreeze } from '../../src/policy/freeze.ts';

describe('deepFreeze', () => {
  it('freezes objects, lists and the values of maps', () => {
    const value = deepFreeze({ list: [{ n: 1 }], map: new Map([['a', { n: 1 }]]) });
    expect(() => Object.assign(value.list[0]!, { n: 2 })).toThrow(TypeError);
    expect(() => Object.assign(value.map.get('a')!, { n: 2 })).toThrow(TypeError);
    expect(() => value.map.set('b', { n: 1 })).toThrow('the policy is frozen');
    expect(() => value.map.clear()).toThrow('the policy is frozen');
    expect(value.map.get('a')).toEqual({ n: 1 });
  });

  it('leaves regular expressions usable', () => {
    const { pattern } = deepFreeze({ pattern: /a+/i });
    expect(pattern.test('xAx')).toBe(true);
    expect(pattern.test('xx')).toBe(false);
  });
});
