import { describe, expect, it } from 'vitest';
import { encodePolicy } from '../../src/http/policy-view.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import type { PolicyHistory, PolicyVersion } from '../../src/transport/policy-source.ts';

const SINCE = '2026-11-20T22:00:00.000Z';
const version = (text: string): PolicyVersion => ({
  policy: parsePolicy(text, '/etc/p.yaml'),
  text,
  sinceMs: Date.parse(SINCE),
});
const view = (history: Partial<PolicyHistory> & Pick<PolicyHistory, 'current'>) =>
  encodePolicy({ policyHistory: () => ({ previous: undefined, rejected: undefined, ...history }) });

const policyText = (depth: number, token = 'secret') =>
  `version: 1\ngateway: { queue_depth: ${depth} }\nmachine:\n  environment: { TOKEN: ${token} }\n`;

describe('encodePolicy', () => {
  it('shows file, revision and text without what an environment holds', () => {
    const shown = view({ current: version(policyText(1)) });
    expect(shown).toMatchObject({ file: '/etc/p.yaml', since: SINCE, error: null, previous: null });
    expect(shown.text).toBe(policyText(1, '"(hidden)"'));
  });

  it('tells what the last change did, by line and by setting', () => {
    const shown = view({ current: version(policyText(2)), previous: version(policyText(1, 'other')) });
    expect(shown.previous?.diff).toContain('- gateway: { queue_depth: 1 }\n+ gateway: { queue_depth: 2 }');
    expect(shown.previous?.changes).toEqual([
      expect.objectContaining({ before: '1', after: '2' }),
      { path: 'machine.environment.TOKEN', before: '(hidden)', after: '(hidden)' },
    ]);
    expect(JSON.stringify(shown)).not.toMatch(/secret|other/);
  });

  it('shows the change that was rejected, where it can be read', () => {
    const rejected = { message: 'p.yaml:2:1 wrong', atMs: Date.parse(SINCE) };
    const current = version(policyText(1));
    const wrong = view({
      current,
      rejected: { ...rejected, text: policyText(1).replace('queue_depth', 'queue_dept') },
    });
    expect(wrong.error).toEqual({ message: 'p.yaml:2:1 wrong', at: SINCE, diff: expect.stringContaining('+ gateway') });
    expect(view({ current, rejected: { ...rejected, text: 'a: [' } }).error?.diff).toBeNull();
    expect(view({ current, rejected: { ...rejected, text: undefined } }).error?.diff).toBeNull();
  });

  it('does not compare texts that are too long for it', () => {
    const long = `${policyText(1)}${'# a comment\n'.repeat(2100)}`;
    expect(view({ current: version(policyText(1)), previous: version(long) }).previous?.diff).toBeNull();
  });

  it('hides an environment that came with a whole part', () => {
    const added = `${policyText(1)}devices: { cpu: {} }\nruntimes:\n  cpu: { kind: llama-server, device: cpu, settings: { environment: { K: secret } } }\n`;
    const shown = view({ current: version(added), previous: version(policyText(1)) });
    expect(JSON.stringify(shown)).not.toContain('secret');
  });
});
