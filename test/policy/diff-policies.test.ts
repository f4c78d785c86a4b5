import { describe, expect, it } from 'vitest';
import { diffPolicies } from '../../src/policy/diff-policies.ts';
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
      { path: 'classes.interactive.e2eMs', before: '60 s', after: '90 s' },
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
