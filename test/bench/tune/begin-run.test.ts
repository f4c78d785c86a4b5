import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkSameModel, cpuClusters, findOpenTune, newTuneRun } from '../../../src/bench/tune/begin-run.ts';
import { THOROUGH } from '../../../src/bench/tune/next-step.ts';
import { writtenSettings } from '../../../src/bench/tune/settings.ts';
import type { RuntimeSettings } from '../../../src/core/policy.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { fakeClock } from '../../helpers/fake-clock.ts';
import { modelPolicy } from '../../helpers/policy-values.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const RK3588 = join(import.meta.dirname, '../../fixtures/sysroots/rk3588');

function begin(settings: RuntimeSettings, kind = 'llama-server') {
  const file = join(temporaryFolder(), 'small.gguf');
  writeFileSync(file, 'weights');
  const model = modelPolicy('small', { file, settings });
  const start = newTuneRun(
    {
      ...{ model, kind, narrowed: {}, memoryBytesMax: undefined, budgetMs: 1000, settleMs: 0, sluiceVersion: '0.1.0' },
      ...{ objective: { kind: 'ttft', text: 'ttft', promptTokens: 512, outputTokens: 8 }, sysroot: RK3588 },
      ...THOROUGH,
    },
    fakeClock(),
  );
  return { model, start };
}

describe('newTuneRun', () => {
  it('takes the CPUs of an RK3588 from its clocks: all, the big and the little ones', () => {
    const { plan } = begin({ threads: 6 }).start;
    const affinity = plan.space.axes.find(({ name }) => name === 'affinity')?.values.map(writtenSettings);
    expect(affinity).toEqual([{}, { cpus: '4-7' }, { cpus: '0-3' }]);
    const npu = begin({ cpuMask: 0xf0 }, 'rkllm').start.plan;
    expect(npu.space.axes[0]?.values.map(writtenSettings)).toEqual([
      { cpu_mask: 0xff },
      { cpu_mask: 0xf0 },
      { cpu_mask: 0xf },
    ]);
    expect(plan.machine).toMatchObject({ kind: 'rk3588', cpus: '0-7' });
  });

  it('needs a file that can be read', () => {
    const model = modelPolicy('gone', { file: '/nowhere/gone.gguf' });
    const { plan } = begin({}).start;
    expect(() =>
      newTuneRun(
        { ...plan, model, kind: 'llama-server', narrowed: {}, memoryBytesMax: undefined, budgetMs: undefined },
        fakeClock(),
      ),
    ).toThrow('the file of gone cannot be read: /nowhere/gone.gguf');
  });
});

describe('cpuClusters', () => {
  it('is one cluster where the kernel does not tell, or tells of other CPUs than there are', () => {
    const state = { at: '', frequencies: [{ cpus: '0 1', maxKhz: 1 }], temperatures: [] };
    const machine = { architecture: 'arm64', cpus: '0-3' };
    expect(cpuClusters(machine, state)).toEqual([{ cpus: [0, 1, 2, 3], maxKhz: undefined }]);
    expect(cpuClusters({ ...machine, cpus: '0-1' }, state)).toEqual([{ cpus: [0, 1], maxKhz: 1 }]);
  });
});

describe('findOpenTune', () => {
  it('finds a run by the end of its id or its model, and says what there is', () => {
    const store = openStore(':memory:', { clock: fakeClock() });
    expect(() => findOpenTune(store, undefined)).toThrow('no run was broken off; nothing can be resumed');
    const { start, model } = begin({ threads: 2 });
    store.openTuneRun(start.row);
    for (const which of [undefined, start.row.id, start.row.id.split('-').at(-1), 'small']) {
      expect(findOpenTune(store, which)).toEqual(start);
    }
    expect(() => findOpenTune(store, 'other')).toThrow(
      `no broken-off run is other or of a model of that name; there are ${start.row.id} (small)`,
    );
    expect(checkSameModel(start, model)).toBe(model);
    const changed = { ...model, settings: { threads: 3 } };
    expect(() => checkSameModel(start, changed)).toThrow('its file or settings have changed since; start a new run');
    expect(() => checkSameModel(start, undefined)).toThrow('the policy has no such model');
    store.close();
  });
});
