import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readLines, submitBatch } from '../../scripts/batch-proof/batch-calls.ts';
import { runCrashes } from '../../scripts/batch-proof/crash-run.ts';
import { crashFaults } from '../../scripts/batch-proof/crash-verdict.ts';
import { tierPath } from '../../src/demo/tiers.ts';
import { demoPolicy, type Parsed, question, startTestGateway, testVariable, until } from '../helpers/gateway.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-batch-crash-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const tiny = tierPath(testVariable('SLUICE_TEST_MODELS'), 'tiny');

describe('a batch whose gateway and child are killed again and again', () => {
  // The short form of scripts/batch-crash.ts.
  it('has each result once, and leaves nothing behind', async () => {
    const options = {
      ...{ folder: join(folder, 'run'), model: tiny, items: 30, kills: 4, tokens: 1500, jitterMs: 200, seed: 5 },
      server: testVariable('SLUICE_TEST_LLAMA_SERVER'),
      bench: testVariable('SLUICE_TEST_LLAMA_BENCH'),
    };
    const result = await runCrashes(options);
    expect(crashFaults(options, result)).toEqual([]);
    expect(result.killed.gateway).toBeGreaterThan(0);
    expect(result.killed.child).toBeGreaterThan(0);
  });
});

describe('an item that kills its child each time', () => {
  it('is given up after batch.crashes_max, and the others are done', async () => {
    const file = join(folder, 'poison.gguf');
    copyFileSync(tiny, file);
    const policy = demoPolicy(['tiny']);
    Object.assign(policy.runtimes['llama']?.['settings'] ?? {}, { threads: 1, context: 16_384 });
    policy.models['tiny'] = { ...policy.models['tiny'], file };
    policy.batch = { load_max: 1, crashes_max: 2 };
    const gateway = await startTestGateway(policy);
    try {
      const lines = ['good', 'poison', 'fine'].map((custom_id) => {
        const long = custom_id === 'poison' ? { ignore_eos: true, max_tokens: 15_000 } : {};
        return JSON.stringify({ custom_id, method: 'POST', url: '/v1/chat/completions', body: question(long) });
      });
      const { id } = await submitBatch(gateway.url, lines.join('\n'));
      let killed = 0;
      const batch: Parsed = await until('the end of the batch', async () => {
        const seen = await gateway.json(`/v1/batches/${id}`);
        if (seen.status === 'completed') return seen;
        // Only the poisoned item runs for long enough to be seen generating this far.
        const { pid } = await gateway.child('tiny').catch(() => ({ pid: undefined }));
        const slot = await gateway.slot('tiny').catch(() => undefined);
        if (pid !== undefined && (slot?.next_token?.[0]?.n_decoded ?? 0) > 100) {
          process.kill(pid, 'SIGKILL');
          killed += 1;
        }
        return false;
      });
      const [results, errors] = [
        await readLines(gateway.url, batch.output_file_id),
        await readLines(gateway.url, batch.error_file_id),
      ];
      expect(results.map((line) => line.custom_id)).toEqual(['good', 'fine']);
      expect(errors.map((line) => line.custom_id)).toEqual(['poison']);
      expect(errors[0]?.response?.status_code).toBeGreaterThanOrEqual(500);
      expect(errors[0]?.response?.body.x_router?.attempts).toBe(2);
      expect(killed).toBeGreaterThanOrEqual(2);
      await until('it is said', () =>
        gateway.events.some(
          (event) => event.kind === 'gateway.notice' && /line 2 is given up.*batch\.crashes_max/.test(event.message),
        ),
      );
    } finally {
      await gateway.stop();
    }
  });
});
