import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../src/core/events.ts';
import { contentOf, demoPolicy, question, sentenceOf, startTestGateway, type TestGateway } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

// A gateway on real models that nobody asks: it measures what it does not know, what was measured on another kernel, and
// leaves off as soon as somebody comes. The kernel is that of a folder, so that it can be changed.

const MODEL = 'tiny';
let gateway: TestGateway;
let sysroot: string;

beforeAll(async () => {
  sysroot = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  cpSync(join(import.meta.dirname, '../fixtures/sysroots/rk3588'), sysroot, { recursive: true });
  const policy = demoPolicy([MODEL]);
  // A short context keeps the extra long prompt short, and the test quick on a busy machine.
  policy.models[MODEL] = { ...policy.models[MODEL], settings: { context: 512 } };
  policy.bench = { idle: { after: '500ms', temperature_max: 90 } };
  gateway = await startTestGateway(policy, { sysroot });
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(sysroot, { recursive: true, force: true });
});

const status = async () => (await gateway.json('/router/status')).idle_bench;
const isMeasuring = async () => (await status()).kind === 'measuring';
const notice = (pattern: RegExp) => (event: GatewayEvent) =>
  event.kind === 'gateway.notice' && pattern.test(event.message);
/** Five rounds take seconds on a quiet machine and a minute on a busy one. */
const measured = (pattern: RegExp, from = 0) =>
  until('the measurement', () => gateway.events.slice(from).find(notice(pattern)), 150_000);

describe('a gateway in idle time', () => {
  it('stops measuring for a request within one batch of a prompt, and the answer is whole', {
    timeout: 120_000,
  }, async () => {
    await until('it measures', isMeasuring);
    const { reasons } = await status();
    expect(reasons).toEqual(['it has not been measured on this machine']);
    const reply = await gateway.chat(question({ model: MODEL }));
    expect(reply.status).toBe(200);
    expect(contentOf(reply.text)).toContain(sentenceOf(MODEL));
    const record = gateway.records().at(-1);
    expect(record?.outcome.kind).toBe('ok');
    // A whole measurement takes many times as long; what is waited for is the engine's look up from its batch.
    expect(record?.actual.queueMs).toBeLessThan(3_000);
    expect(await gateway.slot(MODEL)).toMatchObject({ is_processing: false });
  });

  it('measures a model nobody has measured, and routes by the new figures', { timeout: 180_000 }, async () => {
    await measured(/tiny was measured in idle time \(it has not been measured/);
    const { profiles, stale } = await gateway.json('/router/profiles');
    const { decode_tokens_per_sec: decode, prefill_tokens_per_sec: prefill } = profiles[MODEL];
    // Rounds in which all tokens came in one read give no rate of their own; the smallest model is that quick.
    expect(decode.n).within(1, 5);
    expect(prefill.n).within(3, 5);
    expect(decode).toMatchObject({
      provenance: 'measured',
      fingerprint: expect.stringMatching(/^[0-9a-f]{12}$/),
    });
    expect(prefill).toMatchObject({ provenance: 'measured' });
    expect(stale).toEqual({});
    await until('nothing is left to do', async () => (await status()).kind === 'nothing_to_do');
  });

  it('says that figures of another kernel are stale, and measures them again', { timeout: 240_000 }, async () => {
    const since = gateway.events.length;
    writeFileSync(join(sysroot, 'proc/sys/kernel/osrelease'), '6.1.99\n');
    const difference = 'kernel: 6.1.75-vendor-rk35xx then, 6.1.99 now';
    const shown = await until(
      'the figures are stale',
      async () => {
        const { models } = await gateway.json('/router/models');
        return models[0].stale.length > 0 ? models[0].stale : undefined;
      },
      60_000,
    );
    expect(shown).toEqual([difference]);
    await measured(/tiny was measured in idle time \(kernel: /, since);
    const { models } = await gateway.json('/router/models');
    expect(models[0].stale).toEqual([]);
  });
});
