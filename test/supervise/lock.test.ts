import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { acquireDataLock } from '../../src/supervise/lock.ts';
import { identifyProcess } from '../../src/supervise/process-identity.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const HOLDER = join(import.meta.dirname, '../fixtures/children/hold-lock.ts');

/** Another process that tries for the lock; resolves with what it says. */
function contender(folder: string) {
  const child = spawn(process.execPath, ['--import', 'tsx', HOLDER, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const said = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).once('line', resolve);
  });
  return { child, said, ended };
}

const stale = JSON.stringify({ pid: 4_000_000, startTicks: '1', bootId: 'another' });

describe('acquireDataLock', () => {
  it('makes the folder, locks it, and leaves nothing behind when released', async () => {
    const folder = join(temporaryFolder(), 'new');
    const lock = await acquireDataLock(folder);
    expect(readdirSync(folder)).toEqual(['sluice.lock']);
    lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('refuses a second time while the owner lives, naming its pid and the way out', async () => {
    const folder = temporaryFolder();
    const lock = await acquireDataLock(folder);
    await expect(acquireDataLock(folder)).rejects.toMatchObject({
      code: 'data_directory_locked',
      message: expect.stringContaining(`stop it (kill ${process.pid}) or give this one its own with --data DIR`),
    });
    lock.release();
    (await acquireDataLock(folder)).release();
  });

  it('takes over the lock of a process that was killed', async () => {
    const folder = temporaryFolder();
    const { child, said, ended } = contender(folder);
    expect(await said).toBe(`locked ${child.pid}`);
    await expect(acquireDataLock(folder)).rejects.toMatchObject({ code: 'data_directory_locked' });
    child.kill('SIGKILL');
    await ended;
    await acquireDataLock(folder);
    expect(JSON.parse(readFileSync(join(folder, 'sluice.lock'), 'utf8'))).toEqual(identifyProcess(process.pid));
    expect(readdirSync(folder)).toEqual(['sluice.lock']);
  });

  it.each([
    ['a pid that now belongs to another process', JSON.stringify({ ...identifyProcess(process.pid), startTicks: '7' })],
    ['another boot', JSON.stringify({ ...identifyProcess(process.pid), bootId: 'another' })],
    ['an empty file', ''],
    ['rubbish', '{"pid":"one"}'],
  ])('takes over a lock with %s', async (_, text) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'sluice.lock'), text);
    await acquireDataLock(folder);
    await expect(acquireDataLock(folder)).rejects.toMatchObject({ code: 'data_directory_locked' });
    expect(readdirSync(folder)).toEqual(['sluice.lock']);
  });

  it('goes on where an earlier take-over was killed in the middle', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'sluice.lock'), stale);
    writeFileSync(
      join(folder, 'sluice.lock.after-4000000-1'),
      JSON.stringify({ pid: 4_000_001, startTicks: '2', bootId: 'another' }),
    );
    await acquireDataLock(folder);
    expect(readdirSync(folder)).toEqual(['sluice.lock']);
  });

  it('lets one of many take over a stale lock', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'sluice.lock'), stale);
    const said = await Promise.all(Array.from({ length: 6 }, () => contender(folder).said));
    expect(said.filter((line) => line.startsWith('locked'))).toHaveLength(1);
    expect(said.filter((line) => line.startsWith('refused data_directory_locked'))).toHaveLength(5);
  });

  it('says what to do where the folder cannot be written', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    await expect(acquireDataLock(join(file, 'data'))).rejects.toMatchObject({
      code: 'store_failed',
      message: expect.stringContaining('--data DIR'),
    });
  });
});
