import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunOptions, type RunResult, runSlowClients } from '../../scripts/slow-clients/run.ts';
import { judge, type Verdict } from '../../scripts/slow-clients/verdict.ts';

// The short form of scripts/slow-clients.ts: a gateway in a process of its own, raw connections, simulated models.

const options: RunOptions = {
  clients: 60,
  stuck: 1,
  rampMs: 500,
  slowBytesPerSec: 10_000,
  lateMs: 1000,
  writeTimeoutMs: 1000,
  answerTokens: 60,
  stuckTokens: 100_000,
  seed: 1,
};

describe('sixty clients at once, most of them slow', () => {
  let result: RunResult;
  let verdict: Verdict;
  const folder = mkdtempSync(join(tmpdir(), 'sluice-slow-clients-test-'));
  beforeAll(async () => {
    result = await runSlowClients(folder, options);
    verdict = judge(options, result);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are all answered, and whoever reads gets the whole answer', () => {
    expect(verdict.answered).toBe(59);
    expect(verdict.incomplete).toEqual([]);
  });

  it('are served in the order they came within their class', () => {
    expect(Object.keys(verdict.byClass)).toEqual(['route', 'interactive', 'quality', 'batch']);
    for (const { fairness } of Object.values(verdict.byClass)) expect(fairness.inversions).toBe(0);
  });

  it('wait for the one that takes nothing of its megabytes no longer than gateway.write_timeout', () => {
    expect(verdict.cutOff).toBe(1);
    const outcome = result.report.finished.find(({ id }) => id === 'client-0')?.outcome;
    expect(outcome).toBe('cancelled');
  });

  it('leave no memory behind, and their answers are never kept by the gateway', () => {
    expect(verdict.faults).toEqual([]);
    // 20 MB were meant for the stuck one.
    expect(verdict.heldGrowth).toBeLessThan(10e6);
  });
});
