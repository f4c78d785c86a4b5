import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { packageRoot } from '../../src/core/package-root.ts';
import { editPolicyText } from '../../src/policy/edit-policy.ts';

const SHIPPED = readFileSync(join(packageRoot(), 'routing-policy.yaml'), 'utf8');
const set = (text: string, path: string, value: string | number | boolean) =>
  editPolicyText(text, [{ path: path.split('.'), value }]);

describe('editPolicyText', () => {
  it('replaces a value and nothing else', () => {
    expect(set('a: 1   # one\nb: "two" # b\n', 'b', 'three')).toBe('a: 1   # one\nb: three # b\n');
    expect(set("a: { x: 'off', y: 2 } # c\n", 'a.x', 'on')).toBe('a: { x: on, y: 2 } # c\n');
  });

  it('puts a new key behind the last one, in the style of its map', () => {
    expect(set('a:\n  x: 1 # x\nb: 2\n', 'a.y', 3)).toBe('a:\n  x: 1 # x\n  y: 3\nb: 2\n');
    expect(set('a: { x: 1 }\n', 'a.y', 3)).toBe('a: { x: 1, y: 3 }\n');
    expect(set('a: {}\n', 'a.y', 3)).toBe('a: { y: 3 }\n');
    expect(set('a:\n    x: 1', 'a.y', 3)).toBe('a:\n    x: 1\n    y: 3\n');
    expect(set('a:\n  x:\n    deep: 1\n  # the end\nb: 2\n', 'a.y', 3)).toBe(
      'a:\n  x:\n    deep: 1\n  y: 3\n  # the end\nb: 2\n',
    );
  });

  it('makes maps on the way to a new key', () => {
    expect(set('models:\n  small:\n    file: a.gguf\n', 'models.small.settings.threads', 4)).toBe(
      'models:\n  small:\n    file: a.gguf\n    settings: { threads: 4 }\n',
    );
    expect(set('models:\n  small: # nothing yet\n', 'models.small.settings.threads', 4)).toBe(
      'models:\n  small: { settings: { threads: 4 } } # nothing yet\n',
    );
  });

  it('keeps line ends of Windows', () => {
    expect(set('a:\r\n  x: 1\r\nb: 2\r\n', 'a.y', 3)).toBe('a:\r\n  x: 1\r\n  y: 3\r\nb: 2\r\n');
  });

  it('quotes text that would read as something else', () => {
    expect(set('a: 1\n', 'a', '0,2-3')).toBe('a: "0,2-3"\n');
    expect(set('a: 1\n', 'a', '0-3')).toBe('a: 0-3\n');
    expect(set('a: 1\n', 'a', 'true')).toBe('a: "true"\n');
    expect(set('a: 1\n', 'a', '0x10')).toBe('a: "0x10"\n');
  });

  it('writes a bit mask as one', () => {
    const edit = { path: ['a', 'cpu_mask'], value: 240, hexadecimal: true };
    expect(editPolicyText('a:\n  cpu_mask: 0xF # little\n', [edit])).toBe('a:\n  cpu_mask: 0xf0 # little\n');
  });

  it('overrides a merged key in the map itself and leaves the anchor alone', () => {
    const text = 'base: &base { threads: 6 }\nsmall:\n  <<: *base\n  file: a\n';
    expect(set(text, 'small.threads', 4)).toBe(
      'base: &base { threads: 6 }\nsmall:\n  <<: *base\n  file: a\n  threads: 4\n',
    );
  });

  it('refuses an alias, a list, a map and broken YAML with path and line', () => {
    expect(() => set('base: &b { t: 6 }\nsmall: *b\n', 'small.t', 4)).toThrow(
      'line 2: cannot set small.t to 4: small is an alias',
    );
    expect(() => set('a: [1]\n', 'a.t', 4)).toThrow('a is no map');
    expect(() => set('a: { t: 1 }\n', 'a', 4)).toThrow('it holds more than one value');
    expect(() => set('a: [\n', 'a', 4)).toThrow('the file is no valid YAML');
  });

  it('changes any setting of the shipped policy and keeps all its comments', () => {
    const places = fc.constantFrom(
      'runtimes.llama.settings.threads',
      'runtimes.llama.settings.ubatch',
      'runtimes.llama.settings.cache_type_k',
      'runtimes.npu.settings.new_one',
      'models.qwen3.5-4b.settings.threads',
      'models.qwen3.5-9b.quality',
      'classes.interactive.e2e',
      'gateway.port',
    );
    const values = fc.oneof(
      fc.integer({ min: 0, max: 99 }),
      fc.boolean(),
      fc.string({ maxLength: 12 }).filter((text) => !text.includes('#')),
    );
    fc.assert(
      fc.property(places, values, (place, value) => {
        const path = place.startsWith('models.') ? modelPath(place) : place.split('.');
        const edited = editPolicyText(SHIPPED, [{ path, value }]);
        expect(commentsOf(edited)).toEqual(commentsOf(SHIPPED));
        expect(path.reduce((node, key) => node[key], parse(edited))).toBe(value);
        expect(editPolicyText(edited, [{ path, value }])).toBe(edited);
      }),
    );
  });
});

// Model ids hold dots themselves.
function modelPath(place: string): string[] {
  const [, id = '', rest = ''] = /^models\.(.+?)\.([a-z_.]+)$/.exec(place) ?? [];
  return ['models', id, ...rest.split('.')];
}

const commentsOf = (text: string): readonly string[] => text.match(/#[^\n]*/g) ?? [];
