import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diskOf } from '../../src/doctor/disk.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { createFiles } from '../../src/doctor/host.ts';
import { runChecks } from '../../src/doctor/run-checks.ts';
import { copyBoard } from '../helpers/board-copy.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { BOARDS, examineBoard } from './boards.ts';

const GOOD = 'rk3588-kernel-6.1';
const POLICY = 'srv/sluice/routing-policy.yaml';

type Change = (sysroot: string) => void;

/** The healthy board with something changed: all findings by their ids. */
async function findingsWith(change: Change, models = BOARDS[GOOD]?.models): Promise<ReadonlyMap<string, Finding>> {
  const sysroot = await copyBoard(GOOD, models);
  change(sysroot);
  const found = await runChecks(await examineBoard(sysroot, { policy: POLICY }));
  return new Map(found.map((finding) => [finding.id, finding]));
}

const write =
  (path: string, text: string): Change =>
  (sysroot) => {
    mkdirSync(dirname(join(sysroot, path)), { recursive: true });
    writeFileSync(join(sysroot, path), text);
  };

const remove =
  (...paths: readonly string[]): Change =>
  (sysroot) => {
    for (const path of paths) rmSync(join(sysroot, path), { recursive: true });
  };

describe('the NPU', () => {
  it('is off with the mainline driver, which is named', async () => {
    const found = await findingsWith((sysroot) => {
      remove('sys/kernel/debug')(sysroot);
      write('sys/module/rocket/initstate', 'live')(sysroot);
    });
    expect(found.get('npu-driver')).toMatchObject({
      severity: 'error',
      measured: expect.stringContaining('mainline'),
      why: expect.stringContaining('rocket'),
      remedy: expect.stringContaining('kernel 6.1'),
    });
    expect(found.get('models')?.measured).toBe('3 of 4 can run');
  });

  it('may have a driver whose version only root can read', async () => {
    const found = await findingsWith((sysroot) => {
      remove('sys/kernel/debug')(sysroot);
      write('sys/module/rknpu/initstate', 'live')(sysroot);
    });
    expect(found.get('npu-driver')).toMatchObject({
      severity: 'info',
      remedy: 'sudo cat /sys/kernel/debug/rknpu/version',
    });
    expect(found.get('models')?.measured).toBe('4 of 4 can run');
  });

  it('without a device node is an error only where a model needs it', async () => {
    const withModels = await findingsWith(remove('dev/dri'));
    expect(withModels.get('npu-access')?.severity).toBe('error');
    const without = await findingsWith((sysroot) => {
      remove('dev/dri', 'usr/lib/librkllmrt.so')(sysroot);
      write(POLICY, 'version: 1\n')(sysroot);
    });
    expect(without.get('npu-access')?.severity).toBe('warn');
    expect(without.get('npu-library')?.severity).toBe('info');
  });

  it('does not load a file of a newer toolkit', async () => {
    const found = await findingsWith(
      write('usr/lib/librkllmrt.so', 'RKLLM SDK (version: 1.2.1 (0123abcd build@2025-06-25))\0\n'),
      { 'srv/sluice/models/qwen3-1.7b-w8a8-npu3-ctx4096-v1.2.1-rk3588.rkllm': 1e9 },
    );
    expect(found.get('npu-library/qwen3-1.7b')).toBeUndefined();
    const newer = await findingsWith((sysroot) => {
      write('usr/lib/librkllmrt.so', 'RKLLM SDK (version: 1.2.1 (0123abcd build@2025-06-25))\0\n')(sysroot);
      const file = 'srv/sluice/models/qwen3-1.7b-w8a8-npu3-ctx4096-v1.2.1-rk3588.rkllm';
      write(`${file}.json`, '{"toolkit":"1.2.3"}')(sysroot);
    });
    expect(newer.get('npu-library/qwen3-1.7b')).toMatchObject({
      severity: 'error',
      measured: 'toolkit 1.2.3, library 1.2.1',
      remedy: 'install librkllmrt 1.2.3 or newer, or convert the model with rkllm-toolkit 1.2.1',
    });
    expect(newer.get('models')?.measured).toBe('3 of 4 can run');
  });

  it('addresses 4 GiB per domain', async () => {
    const file = 'srv/sluice/models/qwen3-1.7b-w8a8-npu3-ctx4096-v1.2.1-rk3588.rkllm';
    const found = await findingsWith(() => {}, { [file]: 5e9 });
    expect(found.get('npu-memory')).toMatchObject({ severity: 'warn', why: expect.stringContaining('qwen3-1.7b') });
  });
});

describe('the chip', () => {
  it('that is simulated is no fault of the machine', async () => {
    const found = await findingsWith((sysroot) => {
      remove('sys/firmware')(sysroot);
      write('usr/lib/librkllmrt.so', 'RKLLM SDK (version: 1.2.3 (sluice simulator))\0\n')(sysroot);
    });
    expect(found.get('chip')).toMatchObject({ severity: 'info', why: expect.stringContaining('SIMULATED') });
    expect(found.get('models')?.measured).toBe('4 of 4 can run');
  });
});

describe('a simulated model', () => {
  it("asks nothing of this machine's CPUs and memory", async () => {
    const policy = (kind: string) =>
      [
        'version: 1',
        'machine: { memory: 64GB }',
        `runtimes: { run: { kind: ${kind}, device: cpu, settings: { threads: 99 } } }`,
        'models: { large: { runtime: run, file: Qwen_Qwen3.5-27B-Q4_K_M.gguf } }',
      ].join('\n');
    expect((await findingsWith(write(POLICY, policy('llama-server')))).get('cpu-cores')?.severity).toBe('warn');
    expect((await findingsWith(write(POLICY, policy('simulated')))).get('cpu-cores')?.severity).toBe('ok');
  });
});

describe('the policy', () => {
  it('that is not there is written by init', async () => {
    const found = await findingsWith(remove(POLICY));
    expect(found.get('policy')).toMatchObject({
      severity: 'warn',
      remedy: expect.stringContaining(`sluice init --models FOLDER --output /${POLICY}`),
    });
  });

  it('with a problem is an error, and the machine is judged all the same', async () => {
    const found = await findingsWith(write(POLICY, 'version: 1\nmodels: { a: { runtime: none, file: x.gguf } }\n'));
    expect(found.get('policy')).toMatchObject({
      severity: 'error',
      measured: expect.stringMatching(/routing-policy\.yaml:2:/),
    });
    expect(found.get('npu-driver')?.severity).toBe('ok');
    expect(found.has('models')).toBe(false);
  });

  it('that gives models more than the machine has is an error', async () => {
    const found = await findingsWith(write(POLICY, 'version: 1\nmachine: { memory: 64GB }\n'));
    expect(found.get('memory')).toMatchObject({ severity: 'error' });
  });

  it('may name models that are not there, which is a warning, and none at all, which is an error', async () => {
    const some = await findingsWith(remove('srv/sluice/models/Qwen3.5-4B-Q4_K_M.gguf'));
    expect(some.get('model-missing/qwen3.5-4b')?.severity).toBe('warn');
    expect(some.get('models')?.severity).toBe('ok');
    const none = await findingsWith(remove('srv/sluice/models'));
    expect(none.get('models')).toMatchObject({ severity: 'error', measured: '0 of 4 can run' });
    expect(none.get('model-missing/qwen3-1.7b')?.why).toContain('x86-64 Linux only');
  });
});

describe('the machine', () => {
  it('about to switch itself off is an error', async () => {
    const found = await findingsWith(write('sys/class/thermal/thermal_zone0/temp', '111000'));
    expect(found.get('temperature')).toMatchObject({ severity: 'error', why: expect.stringContaining('115 °C') });
  });

  it('whose hardware clock has lost the time says so', async () => {
    const found = await findingsWith((sysroot) => {
      remove('run/systemd/timesync/synchronized')(sysroot);
      write('sys/class/rtc/rtc0/since_epoch', '1234')(sysroot);
    });
    expect(found.get('system-clock')).toMatchObject({ severity: 'warn', measured: expect.stringContaining('battery') });
  });

  it('about to switch itself off by another zone than the hottest is an error too', async () => {
    const found = await findingsWith((sysroot) => {
      write('sys/class/thermal/thermal_zone7/type', 'pmic-thermal')(sysroot);
      write('sys/class/thermal/thermal_zone7/temp', '43000')(sysroot);
      write('sys/class/thermal/thermal_zone7/trip_point_0_type', 'critical')(sysroot);
      write('sys/class/thermal/thermal_zone7/trip_point_0_temp', '45000')(sysroot);
    });
    expect(found.get('temperature')).toMatchObject({ severity: 'error', why: expect.stringContaining('pmic-thermal') });
  });

  it('whose port is taken says so', async () => {
    const row = '   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1';
    expect((await findingsWith(write('proc/net/tcp', `  sl\n${row}`))).get('port')?.severity).toBe('warn');
    // Connected, not listening.
    expect((await findingsWith(write('proc/net/tcp', row.replace('0A', '01')))).get('port')?.severity).toBe('ok');
  });

  it('whose clocks are held below the published ones says so', async () => {
    const found = await findingsWith(write('sys/class/devfreq/dmc/max_freq', '1560000000'));
    expect(found.get('ddr-clock')).toMatchObject({
      severity: 'warn',
      why: 'dmc: below the 2112 MHz that the published figures were taken with',
    });
  });
});

describe('diskOf', () => {
  const files = (mountinfo: string) => {
    const sysroot = temporaryFolder();
    write('proc/self/mountinfo', mountinfo)(sysroot);
    return createFiles(sysroot);
  };
  const ROOT = '20 1 179:2 / / rw shared:1 - ext4 /dev/mmcblk0p2 rw';

  it('takes the innermost mount, and the last of those over each other', () => {
    const found = files(
      `${ROOT}\n21 20 259:1 / /models rw - xfs /dev/nvme0n1p1 rw\n22 20 0:9 / /models rw - tmpfs none rw`,
    );
    expect(diskOf('/models/a.gguf', found)).toMatchObject({ kind: 'memory', fileSystem: 'tmpfs' });
    expect(diskOf('/models-old/a.gguf', found)).toMatchObject({ device: 'mmcblk0p2', kind: 'emmc' });
  });

  it('reads names with spaces', () => {
    const found = files(`${ROOT}\n21 20 259:1 / /my\\040models rw - xfs /dev/nvme0n1p1 rw`);
    expect(diskOf('/my models/a.gguf', found)).toMatchObject({ kind: 'nvme', usualBytesPerSec: 1000e6 });
  });

  it('knows nothing without a mount table', () => {
    expect(diskOf('/a', createFiles(temporaryFolder()))).toBeUndefined();
  });
});
