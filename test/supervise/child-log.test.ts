import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../src/core/events.ts';
import { modelId } from '../../src/core/ids.ts';
import { type ChildLogLimits, openChildLog } from '../../src/supervise/child-log.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

function open(folder: string, limits: Partial<ChildLogLimits> = {}, id = 'small') {
  const events: GatewayEvent[] = [];
  const log = openChildLog(modelId(id), folder, (event) => events.push(event), {
    lines: 10,
    fileBytes: 1_000_000,
    pendingBytes: 1_000_000,
    ...limits,
  });
  const notices = () => events.filter((event) => event.kind === 'gateway.notice');
  return { log, events, notices };
}

const fill = (log: { append(line: string): void }, count: number) => {
  for (let line = 1; line <= count; line += 1) log.append(`line ${line}`);
};

describe('openChildLog', () => {
  it('keeps the last lines in memory and all of them in the file', async () => {
    const folder = join(temporaryFolder(), 'logs');
    const { log } = open(folder);
    fill(log, 57);
    expect(log.lines()).toEqual(Array.from({ length: 10 }, (_, index) => `line ${index + 48}`));
    await log.close();
    expect(readFileSync(join(folder, 'small.log'), 'utf8').split('\n')).toHaveLength(58);
  });

  it('appends to the file of an earlier run', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'small.log'), 'before\n');
    const { log } = open(folder);
    log.append('after');
    await log.close();
    expect(readFileSync(join(folder, 'small.log'), 'utf8')).toBe('before\nafter\n');
  });

  it('never takes more than twice its bound on disk', async () => {
    const folder = temporaryFolder();
    const { log } = open(folder, { fileBytes: 1000 });
    fill(log, 1000);
    await log.close();
    expect(statSync(join(folder, 'small.log')).size).toBeLessThanOrEqual(1010);
    expect(statSync(join(folder, 'small.log.1')).size).toBeLessThanOrEqual(1010);
    expect(readFileSync(join(folder, 'small.log'), 'utf8')).toContain('line 1000\n');
  });

  it('streams lines to followers until they leave, and as events', () => {
    const { log, events } = open(temporaryFolder());
    const heard: string[] = [];
    const leave = log.follow((line) => heard.push(line));
    log.append('one');
    leave();
    log.append('two');
    expect(heard).toEqual(['one']);
    expect(events).toEqual([
      { kind: 'child.log', model: 'small', line: 'one' },
      { kind: 'child.log', model: 'small', line: 'two' },
    ]);
  });

  it('keeps a model id out of the path of other files', async () => {
    const folder = temporaryFolder();
    const { log } = open(folder, {}, '../../evil');
    log.append('here');
    await log.close();
    expect(existsSync(join(folder, '..%2F..%2Fevil.log'))).toBe(true);
  });

  it('tells once that lines are lost where the folder cannot be written, and goes on', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    const { log, notices } = open(join(file, 'logs'));
    fill(log, 100);
    await log.close();
    expect(log.lines()).toHaveLength(10);
    expect(notices()).toHaveLength(1);
  });

  it('leaves lines out of the file, and says so once, where the disk does not keep up', async () => {
    const folder = temporaryFolder();
    const { log, notices } = open(folder, { pendingBytes: 50 });
    fill(log, 1000);
    expect(notices()).toEqual([
      expect.objectContaining({ message: expect.stringContaining('the disk does not keep up, 50 bytes wait') }),
    ]);
    await log.close();
    expect(readFileSync(join(folder, 'small.log'), 'utf8').split('\n').length).toBeLessThan(100);
  });
});
