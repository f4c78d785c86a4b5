import { describe, expect, it } from 'vitest';
import { diffPolicies, writtenKey } from '../../src/policy/diff-policies.ts';
import { policyJsonSchema } from '../../src/policy/json-schema.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { parsePolicy } from '../../src/policy/parse.ts';

const BASE = `
version: 1
devices: { cpu: { lanes: 1 } }
runtimes: { llama: { kind: llama-server, device: cpu, binary: llama-server, settings: { threads: 6, cpus: 0-3 } } }
models:
  small: { runtime: llama, file: small.gguf, quality: 0.5 }
  large: { runtime: llama, file: large.gguf, quality: 0.8, settings: { threads: 4 } }
classes:
  interactive: { ttft: 20s, e2e: 60s }
classify:
  rules:
    - { when: { max_tokens_lte: 32 }, class: route }
clients:
  - { name: editor, key_env: KEY_EDITOR }
`;
const policy = (text: string) => parsePolicy(text, '/policies/routing-policy.yaml');
const changed = (edit: (text: string) => string) => diffPolicies(policy(BASE), policy(edit(BASE)));

describe('diffPolicies', () => {
  it('is empty for texts that mean the same', () => {
    expect(changed((text) => `# a comment\n${text.replace('60s', '1m').replace('0-3', '"3,0-2"')}`)).toEqual([]);
  });

  it('names a changed value with its unit', () => {
    expect(changed((text) => text.replace('60s', '90s'))).toEqual([
      { path: 'classes.interactive.e2e', before: '60 s', after: '90 s' },
    ]);
  });

  it('names settings and windows as the file has them', () => {
    const old =
      'version: 1\nclasses: { batch: { window: 22:00-07:00 } }\ngateway: { body_limit: 1MB, queue_depth: 8 }\n';
    const now = old.replace('22:00', '21:30').replace('1MB', '2MB').replace('8', '9');
    expect(diffPolicies(policy(old), policy(now))).toEqual([
      { path: 'gateway.body_limit', before: '1.00 MB', after: '2.00 MB' },
      { path: 'gateway.queue_depth', before: '8', after: '9' },
      { path: 'classes.batch.window', before: '22:00-07:00', after: '21:30-07:00' },
      { path: 'batch.windows', before: '["22:00-07:00"]', after: '["21:30-07:00"]' },
    ]);
  });

  it('shows a setting of the runtime at every model it reaches', () => {
    const paths = changed((text) => text.replace('threads: 6', 'threads: 8')).map(({ path }) => path);
    expect(paths).toEqual(['runtimes.llama.settings.threads', 'models.small.settings.threads']);
  });

  it('reports a model that is gone and one that is new as one change each', () => {
    const changes = changed((text) => text.replace('  small:', '  tiny:'));
    expect(changes.map(({ path, before, after }) => [path, before === undefined, after === undefined])).toEqual([
      ['models.small', false, true],
      ['models.tiny', true, false],
    ]);
  });

  it('compares clients by name, whatever their order', () => {
    const added = '  - { name: bot, key_env: KEY_BOT }\n  - { name: editor, key_env: KEY_EDITOR }\n';
    const changes = changed((text) => text.replace('  - { name: editor, key_env: KEY_EDITOR }\n', added));
    expect(changes.map(({ path }) => path)).toEqual(['clients.bot']);
  });

  it('shows a lower bound that is dropped as gone', () => {
    expect(changed((text) => text.replace('ttft: 20s, ', ''))).toHaveLength(1);
  });
});

describe('writtenKey', () => {
  it('gives a key of the file for every value that a file sets', async () => {
    const written = new Set<string>();
    const collect = (schema: unknown): void => {
      if (typeof schema !== 'object' || schema === null) return;
      for (const [key, value] of Object.entries(schema)) {
        if (key === 'properties') for (const name of Object.keys(value as object)) written.add(name);
        collect(value);
      }
    };
    collect(policyJsonSchema());
    const unknown = keysOf(await loadPolicy('routing-policy.yaml')).filter((key) => !written.has(writtenKey(key)));
    // What the file's own text and place come to; `keep: { idle: 15m }` is a kind with its time.
    expect(new Set(unknown)).toEqual(new Set(['revision', 'id', 'path', 'startMinute', 'endMinute', 'text']));
  });
});

/** Keys of all objects within, without names that the operator gave. */
function keysOf(value: unknown): readonly string[] {
  if (value instanceof Map || Array.isArray(value)) return [...value.values()].flatMap(keysOf);
  if (typeof value !== 'object' || value === null || value instanceof RegExp) return [];
  return Object.entries(value).flatMap(([key, part]) => [key, ...keysOf(part)]);
}
