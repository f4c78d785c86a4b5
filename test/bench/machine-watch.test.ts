import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readMachine, readMachineState } from '../../src/bench/fingerprint.ts';
import { createMachineWatch } from '../../src/bench/machine-watch.ts';
import { fingerprintOf } from '../../src/bench/row-fingerprint.ts';
import { modelId } from '../../src/core/ids.ts';
import type { Profile } from '../../src/core/profile.ts';
import { modelKey } from '../../src/store/model-key.ts';
import { openStore } from '../../src/store/open-store.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { modelPolicy } from '../helpers/policy-values.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const KERNEL = 'proc/sys/kernel/osrelease';

/** A board with one model measured on it, as `sluice bench` stores it. */
function setUp() {
  const sysroot = temporaryFolder();
  cpSync(join(import.meta.dirname, '../fixtures/sysroots/rk3588'), sysroot, { recursive: true });
  const file = join(sysroot, 'model.gguf');
  writeFileSync(file, 'weights');
  const policy = modelPolicy('a', { file });
  const key = modelKey(policy) ?? '';
  const clock = fakeClock();
  const store = openStore(':memory:', { clock });
  onTestFinished(() => store.close());
  const fingerprint = fingerprintOf({
    machine: readMachine(sysroot),
    state: readMachineState(0, sysroot),
    ...{ cpusUsed: '0-7', runtimeVersion: 'build 1', rawVersion: undefined, modelKey: key, settings: {} },
    ...{ file: undefined, quantization: undefined, storage: undefined, storageBytesPerSec: undefined },
    ...{ sluiceVersion: '1', uses: { npu: false, gpu: false } },
  });
  const figure = { value: 5, n: 5, source: 'run r' };
  const rates = (['prefillTokensPerSec', 'decodeTokensPerSec'] as const).map((metric) => ({
    ...{ ...figure, metric, side: 'served' as const, model: modelId('a'), modelKey: key, fingerprint: fingerprint.id },
  }));
  const run = { id: 'r', startedAt: '2026-11-20T10:00:00.000Z', provenance: 'measured' as const, document: '{}' };
  store.saveBenchRun(run, { figures: rates, fingerprints: [fingerprint] });
  const profile: Profile = Object.fromEntries(store.profileRows(key).map((row) => [row.metric, row.figure]));
  const watch = createMachineWatch({ store, clock, sysroot });
  onTestFinished(() => watch.close());
  const model = { policy, kind: 'llama-server', profile, runtimeVersion: 'build 1' };
  const write = (path: string, text: string) => writeFileSync(join(sysroot, path), text);
  return { watch, model, write, clock, store, run, key, rates };
}

describe('staleOf', () => {
  test('figures of this very state are not stale', () => {
    const { watch, model } = setUp();
    expect(model.profile.decodeTokensPerSec?.fingerprint).toMatch(/^[0-9a-f]{12}$/);
    expect(watch.staleOf(model)).toEqual([]);
  });

  test('another kernel, governor or clock limit is seen within half a minute, with both values', () => {
    const { watch, model, write, clock } = setUp();
    write(KERNEL, '6.1.99\n');
    write('sys/devices/system/cpu/cpufreq/policy0/scaling_governor', 'powersave\n');
    write('sys/devices/system/cpu/cpufreq/policy6/scaling_max_freq', '1200000\n');
    expect(watch.staleOf(model)).toEqual([]);
    clock.advance(30_000);
    expect(watch.staleOf(model)).toEqual([
      'kernel: 6.1.75-vendor-rk35xx then, 6.1.99 now',
      expect.stringMatching(/^governor of cpus 0 1 2 3: performance then, powersave now$/),
      'clock limit of cpus 6 7, MHz: 2304 then, 1200 now',
    ]);
    write(KERNEL, '6.1.75-vendor-rk35xx\n');
    clock.advance(30_000);
    expect(watch.staleOf(model)).toHaveLength(2);
  });

  test('another build of the runtime makes them stale at once', () => {
    const { watch, model } = setUp();
    expect(watch.staleOf({ ...model, runtimeVersion: 'build 2' })).toEqual(['runtime: build 1 then, build 2 now']);
    expect(watch.staleOf(model)).toEqual([]);
  });

  test('figures nobody measured here, or long ago without a state, are not judged', () => {
    const { watch, model, write } = setUp();
    write(KERNEL, '6.1.99\n');
    watch.look();
    const old = { value: 5, n: 5, source: 'x', provenance: 'measured' as const };
    expect(watch.staleOf({ ...model, profile: { decodeTokensPerSec: old } })).toEqual([]);
    const theirs = { ...old, provenance: 'imported' as const, fingerprint: 'abc' };
    expect(watch.staleOf({ ...model, profile: { decodeTokensPerSec: theirs } })).toEqual([]);
  });

  test('the answer is the same object as long as nothing changed', () => {
    const { watch, model, write, clock } = setUp();
    write(KERNEL, '6.1.99\n');
    watch.look();
    const first = watch.staleOf(model);
    clock.advance(60_000);
    expect(watch.staleOf(model)).toBe(first);
  });
});

describe('coRunOf', () => {
  test('gives one row per device, and those of the newest run of each pair', () => {
    const { watch, model, store, run, key, clock } = setUp();
    expect(watch.coRunOf(model.policy)).toEqual([]);
    const beside = (withModel: string, decodeFactor: number) => ({
      ...{ modelKey: key, model: modelId('a'), withModel: modelId(withModel), withDevice: 'npu' },
      ...{ prefillFactor: 1.1, decodeFactor, n: 5 },
    });
    store.saveBenchRun(run, { figures: [], coRuns: [beside('b', 9), beside('c', 1.4)] });
    const later = { ...run, id: 's', startedAt: '2026-11-21T10:00:00.000Z' };
    store.saveBenchRun(later, { figures: [], coRuns: [beside('b', 1.2)] });
    clock.advance(30_000);
    expect(watch.coRunOf(model.policy)).toEqual([
      { withDevice: 'npu', prefillFactor: 1.1, decodeFactor: expect.closeTo(1.3), n: 10 },
    ]);
  });
});

describe('hottest', () => {
  test('is the highest zone in degrees', () => {
    expect(setUp().watch.hottest()).within(40, 60);
  });
});
