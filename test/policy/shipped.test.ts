import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { isMap, isSeq, parse, parseDocument } from 'yaml';
import { modelId, runtimeId } from '../../src/core/ids.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { checkPolicy } from '../../src/policy/parse.ts';

const file = 'routing-policy.yaml';
const text = await readFile(file, 'utf8');
const policy = await loadPolicy(file);

describe('the shipped routing-policy.yaml', () => {
  it('names its schema on the first line', () => {
    expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=./routing-policy.schema.json');
  });

  it('launches llama-server with the winning settings', () => {
    expect(policy.runtimes.get(runtimeId('llama'))?.settings).toMatchObject({
      cpus: [0, 1, 2, 3, 4, 5, 6, 7],
      threads: 6,
      context: 2048,
      parallel: 1,
      jinja: true,
      reasoningBudget: 0,
      cacheTypeK: 'f16',
      cacheTypeV: 'f16',
      flashAttention: 'on',
      ubatch: 64,
      cacheRamBytes: 256 * 2 ** 20,
    });
  });

  it('lets 4B and up into interactive, and every model of route over its floor', () => {
    const qualityOf = (id: string) => policy.models.get(modelId(id))?.quality ?? 0;
    const { interactive, route } = policy.classes;
    for (const id of ['qwen3.5-4b', 'qwen3.5-9b']) expect(qualityOf(id)).toBeGreaterThanOrEqual(interactive.minQuality);
    for (const id of ['qwen3.5-2b', 'qwen3-1.7b', 'qwen2.5-3b', 'qwen2.5-coder-3b']) {
      expect(qualityOf(id)).toBeLessThan(interactive.minQuality);
    }
    expect(qualityOf('qwen3.5-0.8b')).toBeGreaterThanOrEqual(route.minQuality);
  });

  it('keeps 27B to batch', () => {
    expect(policy.models.get(modelId('qwen3.5-27b'))?.classes).toEqual(['batch']);
  });

  it('comments every line that sets a value', () => {
    // A line that only opens a section, or says what a model is called and where it lies, speaks for itself.
    const plain = /^\s*(#.*)?$|^\s*[\w.-]+:$|^\s*(kind|device|runtime|file|aliases|library): |^\s*- \{ name: discord/;
    const bare = text.split('\n').filter((line) => !line.includes('#') && !plain.test(line));
    expect(bare).toEqual([]);
  });

  it('still gives every default that its comments call one', () => {
    const defaults = checkPolicy('version: 1', file);
    if (defaults.kind === 'invalid') throw new Error('the defaults do not load');
    expect(policy.gateway).toEqual(defaults.policy.gateway);
    expect(policy.machine.reserveBytes).toBe(defaults.policy.machine.reserveBytes);
    for (const name of ['route', 'interactive', 'quality', 'batch'] as const) {
      const { quantile, outputTokens, whenNone, yieldTo } = policy.classes[name];
      expect({ quantile, outputTokens, whenNone, yieldTo }).toEqual({
        quantile: defaults.policy.classes[name].quantile,
        outputTokens: defaults.policy.classes[name].outputTokens,
        whenNone: defaults.policy.classes[name].whenNone,
        yieldTo: defaults.policy.classes[name].yieldTo,
      });
    }
  });
});

/** Paths of every map in the file whose keys are the schema's own (not names the operator chose). */
function closedMaps(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (Array.isArray(value)) return value.flatMap((entry, index) => closedMaps(entry, [...path, index]));
  if (typeof value !== 'object' || value === null) return [];
  const open =
    (path.length === 1 && ['devices', 'runtimes', 'models'].includes(String(path[0]))) || path.at(-1) === 'environment';
  const children = Object.entries(value).flatMap(([key, child]) => closedMaps(child, [...path, key]));
  return open ? children : [path, ...children];
}

describe('a mistake anywhere in the shipped file', () => {
  const paths = closedMaps(parse(text));

  it('is looked for on every level', () => {
    expect(paths.length).toBeGreaterThan(30);
  });

  it.each(paths.map((path) => ({ path })))('an unknown key under $path is refused with its line', ({ path }) => {
    const document = parseDocument(text);
    if (path.length === 0) document.set('surprise', 1);
    else document.setIn([...path, 'surprise'], 1);
    const changed = document.toString({ lineWidth: 0 });
    const line = changed.split('\n').findIndex((row) => row.includes('surprise')) + 1;
    const result = checkPolicy(changed, file);
    const problems = result.kind === 'invalid' ? result.problems : [];
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({
      line,
      message: expect.stringMatching(/unknown key "surprise"|got \{.*"surprise":1/),
    });
  });

  it('is found when any single value is replaced by a nested list', () => {
    const document = parseDocument(text);
    const leaves: (string | number)[][] = [];
    const collect = (node: unknown, path: (string | number)[]) => {
      if (isMap(node)) for (const pair of node.items) collect(pair.value, [...path, String(pair.key)]);
      else if (isSeq(node)) for (const [index, item] of node.items.entries()) collect(item, [...path, index]);
      else leaves.push(path);
    };
    collect(document.contents, []);
    expect(leaves.length).toBeGreaterThan(100);
    for (const path of leaves) {
      const broken = parseDocument(text);
      broken.setIn(path, [['x']]);
      expect(checkPolicy(broken.toString({ lineWidth: 0 }), file).kind, path.join('.')).toBe('invalid');
    }
  });
});
