import { utimesSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkMemory } from '../../src/doctor/checks/memory.ts';
import { checkModels } from '../../src/doctor/checks/models.ts';
import { checkPrograms } from '../../src/doctor/checks/programs.ts';
import { checkStorage } from '../../src/doctor/checks/storage.ts';
import { checkSystem } from '../../src/doctor/checks/system.ts';
import type { Host } from '../../src/doctor/host.ts';
import type { Tools } from '../../src/doctor/tools.ts';
import { copyBoard } from '../helpers/board-copy.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { BOARDS, examineBoard } from './boards.ts';

// What is asked of a running machine only, with answers that a test machine would not give.

async function liveHost(tools: Partial<Tools>): Promise<Host> {
  const name = 'rk3588-kernel-6.1';
  const policy = 'srv/sluice/routing-policy.yaml';
  const host = await examineBoard(await copyBoard(name, BOARDS[name]?.models), { policy });
  return { ...host, files: { ...host.files, live: true }, tools: { ...host.tools, ...tools } };
}

describe('checkPrograms', () => {
  it('names the flag that a build lacks, for the model that needs it', async () => {
    const spellings = ['-m', '--host', '--port', '-c', '--parallel', '--alias', '--api-key'];
    const flags = new Map(spellings.map((flag) => [flag, { takesValue: true }]));
    const host = await liveHost({ probe: async (path) => ({ path, version: 'build 1', flags, variables: new Set() }) });
    const found = await checkPrograms(host);
    expect(found[0]).toMatchObject({ id: 'llama-server', measured: '/usr/local/bin/llama-server, build 1, 7 flags' });
    expect(found.find(({ id }) => id === 'llama-server/qwen3.5-4b')).toMatchObject({
      severity: 'error',
      measured: expect.stringContaining('has no flag -t or --threads'),
    });
  });

  it('leaves nothing that counts as able to run where the program does not', async () => {
    const host = await liveHost({ probe: () => Promise.reject(new Error('no libggml.so')) });
    expect((await checkModels(host))[0]).toMatchObject({ id: 'models', measured: '1 of 4 can run' });
  });

  it('says why a program does not run', async () => {
    const host = await liveHost({
      probe: () => Promise.reject(new Error('libggml.so: cannot open shared object file')),
    });
    expect((await checkPrograms(host))[0]).toMatchObject({
      severity: 'error',
      measured: expect.stringContaining('libggml'),
    });
  });
});

describe('checkStorage', () => {
  it('reads the largest model and predicts every cold start by what it measured', async () => {
    const host = await liveHost({ readSpeed: async () => 40e6 });
    expect((await checkStorage(host))[0]).toMatchObject({
      id: 'storage/nvme0n1p2',
      severity: 'warn',
      measured:
        'NVMe, ext4; 40.0 MB/s read from /srv/sluice/models/Qwen_Qwen3.5-27B-Q4_K_M.gguf; cold start: qwen3-1.7b 60 s, qwen3.5-4b 69 s, qwen3.5-9b 143 s, qwen3.5-27b 6 min 58 s',
    });
  });

  it('falls back to what such storage usually does', async () => {
    const host = await liveHost({ readSpeed: async () => undefined });
    expect((await checkStorage(host))[0]?.measured).toContain('usually 1.00 GB/s, not measured');
  });
});

describe('checkMemory', () => {
  it('reckons what fits together with what was measured here, where it was', async () => {
    const host = await liveHost({});
    const models = host.models.map((looked) => {
      if (looked.model.id !== 'qwen3.5-4b') return looked;
      const peakMemoryBytes = { value: 5.21e9, provenance: 'measured', source: 'run a', n: 3 } as const;
      return { ...looked, profile: { ...looked.profile, peakMemoryBytes } };
    });
    expect(checkMemory({ ...host, models }).find(({ id }) => id === 'memory-fit')).toMatchObject({
      measured: expect.stringContaining('qwen3.5-4b 5.21 GB'),
      why: expect.stringContaining('estimated, measured, reference figures'),
    });
  });
});

describe('checkSystem', () => {
  it('takes a time before its own last writing for wrong', async () => {
    const host = await liveHost({ clock: fakeClock(Date.UTC(2026, 1, 1)) });
    const clockOf = async () => (await checkSystem(host)).find(({ id }) => id === 'system-clock');
    utimesSync(host.policy.file, new Date(Date.UTC(2026, 1, 2)), new Date(Date.UTC(2026, 1, 2)));
    expect((await clockOf())?.severity).toBe('ok');
    utimesSync(host.policy.file, new Date(Date.UTC(2026, 1, 4)), new Date(Date.UTC(2026, 1, 4)));
    expect(await clockOf()).toMatchObject({
      severity: 'error',
      measured: expect.stringMatching(/^2026-02-01T00:00:00.000Z, though .*yaml was written 2026-02-04/),
    });
  });

  it('takes a time before its own release for wrong', async () => {
    const host = await liveHost({ clock: fakeClock(Date.UTC(1970, 0, 1, 0, 3)) });
    expect((await checkSystem(host)).find(({ id }) => id === 'system-clock')).toMatchObject({
      severity: 'error',
      measured: expect.stringContaining('1970-01-01T00:03'),
    });
  });
});
