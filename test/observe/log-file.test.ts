import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelId } from '../../src/core/ids.ts';
import { openEventLog } from '../../src/observe/event-log.ts';
import { openLogFile } from '../../src/observe/log-file.ts';
import { requestRecord } from '../helpers/request-record.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const linesOf = (path: string): readonly string[] => readFileSync(path, 'utf8').trimEnd().split('\n');

describe('openLogFile', () => {
  it('puts a full file aside and keeps as many as it is told', async () => {
    const path = join(temporaryFolder(), 'logs', 'sluice.log');
    const losses: string[] = [];
    const file = openLogFile(path, { fileBytes: 30, olderFiles: 2, pendingBytes: 1000 }, (why) => losses.push(why));
    for (let line = 0; line < 12; line += 1) file.write(`line ${String(line).padStart(2, '0')}..\n`);
    await file.close();
    expect(losses).toEqual([]);
    expect(readdirSync(join(path, '..')).sort()).toEqual(['sluice.log', 'sluice.log.1', 'sluice.log.2']);
    expect(linesOf(path)).toEqual(['line 09..', 'line 10..', 'line 11..']);
    expect(linesOf(`${path}.1`)).toEqual(['line 06..', 'line 07..', 'line 08..']);
    expect(linesOf(`${path}.2`)).toEqual(['line 03..', 'line 04..', 'line 05..']);
  });

  it('goes on with the file that stands there', async () => {
    const path = join(temporaryFolder(), 'sluice.log');
    writeFileSync(path, 'from before\n');
    const file = openLogFile(path, { fileBytes: 1000, olderFiles: 1, pendingBytes: 1000 }, () => undefined);
    file.write('from now\n');
    await file.close();
    expect(linesOf(path)).toEqual(['from before', 'from now']);
  });

  it('tells once where nothing can be written, and goes on', async () => {
    const path = join(temporaryFolder(), 'sluice.log');
    mkdirSync(path);
    const losses: string[] = [];
    const file = openLogFile(path, { fileBytes: 1e6, olderFiles: 1, pendingBytes: 1000 }, (why) => losses.push(why));
    file.write('one\n');
    file.write('two\n');
    await file.close();
    expect(losses).toHaveLength(1);
    expect(losses[0]).toContain('EISDIR');
  });
});

describe('openEventLog with a file', () => {
  it('writes JSON lines with the request id, and the output of the models whatever the level', async () => {
    const path = join(temporaryFolder(), 'sluice.log');
    const log = await openEventLog({ format: 'json', level: 'error', file: { path, fileBytes: 1e6, olderFiles: 1 } });
    log.write({ kind: 'request.finished', record: requestRecord() });
    log.write({ kind: 'child.log', model: modelId('a'), line: 'loaded' });
    await log.close();
    expect(linesOf(path).map((line) => JSON.parse(line))).toMatchObject([
      { level: 20, event: 'child.log', model: 'a', msg: 'a | loaded' },
    ]);
    const chatty = await openEventLog({ format: 'json', level: 'info', file: { path, fileBytes: 1e6, olderFiles: 1 } });
    chatty.write({ kind: 'request.finished', record: requestRecord() });
    await chatty.close();
    expect(JSON.parse(linesOf(path).at(-1) ?? '')).toMatchObject({
      level: 30,
      event: 'request.finished',
      requestId: 'r-1',
      client: 'editor',
    });
  });
});
