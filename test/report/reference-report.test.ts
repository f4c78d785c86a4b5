import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadPolicy } from '../../src/policy/load.ts';
import { fromReference } from '../../src/report/from-reference.ts';
import { htmlReport } from '../../src/report/html.ts';
import { markdownReport } from '../../src/report/markdown.ts';
import type { Report } from '../../src/report/report.ts';
import { loadReference } from '../../src/store/reference.ts';

const folder = join(import.meta.dirname, '../../bench-results/reference');
const policy = await loadPolicy(join(import.meta.dirname, '../../routing-policy.yaml'));
const machines = fromReference(loadReference(), policy);
const report: Report = {
  ...{ title: 'Models on RK3588, 24 GB and RK3588, 16 GB', chat: policy.verdicts.chat, machines },
};

describe('the committed report of the published figures', () => {
  // npx sluice report --reference --markdown > bench-results/reference/report.md
  it('is what "sluice report --reference --markdown" prints', () => {
    expect(readFileSync(join(folder, 'report.md'), 'utf8')).toBe(markdownReport(report));
  });

  // npx sluice report --reference --html bench-results/reference/report.html
  it('is what "sluice report --reference --html" writes', async () => {
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toBe(await htmlReport(report));
  });

  it('comes to the verdicts of those who measured', () => {
    const verdicts = machines.map(({ name, models }) => [
      name,
      Object.fromEntries(models.map(({ model, judgement }) => [model, judgement?.verdict])),
    ]);
    expect(Object.fromEntries(verdicts)).toEqual({
      'RK3588, 24 GB': {
        'qwen3.5-0.8b': 'excellent', // excellent raw speed
        'qwen3.5-2b': 'comfortable', // strong fast fallback
        'qwen3.5-4b': 'best default', // best balance
        'qwen3.5-9b': 'deliberate', // slow but practical
        'qwen3.5-27b': 'not practical',
        'qwen3-1.7b ctx 512': 'excellent', // best NPU speed
        'qwen3-1.7b ctx 2048': 'excellent',
        'qwen3-1.7b ctx 4096': 'excellent',
        'qwen2.5-3b': 'excellent', // best NPU quality and speed
        'qwen2.5-coder-3b': 'deliberate', // slower coding specialist
      },
      'RK3588, 16 GB': {
        'qwen3-0.6b': 'excellent', // production
        'gemma-3-1b-it': 'excellent', // usable
        'gemma-3-270m': 'not practical', // 0 of 10 outputs usable
        'qwen3-4b': 'deliberate', // research only: below 5 t/s
      },
    });
  });

  it('marks every figure as published by others', () => {
    for (const { models } of machines) {
      for (const { profile } of models) {
        expect(Object.values(profile).map(({ provenance }) => provenance)).toEqual(
          Object.values(profile).map(() => 'reference'),
        );
      }
    }
  });

  it('has the tuning sweep in the form it was published in', () => {
    const rows = machines[0]?.tunes.map(({ model, trials }) => [model, trials[0]?.settings, trials[0]?.wallS]);
    expect(rows).toEqual([
      ['qwen3.5-4b', { threads: '6', cpus: '0-7', flash_attention: 'on' }, 54.9],
      ['qwen3.5-9b', { threads: '6', cpus: '0-7', flash_attention: 'on' }, 92.3],
    ]);
  });
});
