import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import DatabaseFile from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { GatewayEvent } from '../../src/core/events.ts';
import { modelId, requestId } from '../../src/core/ids.ts';
import { MIGRATIONS } from '../../src/store/migrations.ts';
import { openStore, type Store } from '../../src/store/open-store.ts';
import { DECISIONS_PER_SECOND, REQUESTS_KEPT_MS } from '../../src/store/request-table.ts';
import { ROWS_PENDING_MAX, ROWS_PER_STEP } from '../../src/store/write-buffer.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { requestRecord } from '../helpers/request-record.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const noon = Date.UTC(2026, 10, 20, 12);

function open(file: string, clock = fakeClock()) {
  const events: GatewayEvent[] = [];
  const store = openStore(file, { clock, emit: (event) => events.push(event) });
  onTestFinished(() => store.close());
  return { store, clock, events };
}

const count = (file: string, table: string): number => {
  const database = new DatabaseFile(file, { readonly: true });
  try {
    return (database.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
  } finally {
    database.close();
  }
};

describe('openStore', () => {
  test('a fresh file gets the newest schema, in WAL', () => {
    const file = join(temporaryFolder(), 'deep', 'sluice.db');
    open(file);
    const database = new DatabaseFile(file);
    expect(database.pragma('user_version', { simple: true })).toBe(MIGRATIONS.length);
    expect(database.pragma('journal_mode', { simple: true })).toBe('wal');
    database.close();
  });

  test('opening twice changes nothing', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const first = open(file).store;
    first.recordRequest(requestRecord());
    first.close();
    expect(open(file).store.recentRequests(10)).toEqual([requestRecord()]);
  });

  test('a file of a newer Sluice is refused with both schema numbers', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const database = new DatabaseFile(file);
    database.pragma('user_version = 99');
    database.close();
    expect(() => open(file)).toThrow(`${file} has schema 99, this Sluice knows up to ${MIGRATIONS.length}`);
  });

  test.each(MIGRATIONS.map((_, version) => version + 1))(
    'a file of schema %s is brought up to date, with what it holds',
    (version) => {
      const file = join(temporaryFolder(), 'sluice.db');
      const database = new DatabaseFile(file);
      for (const migration of MIGRATIONS.slice(0, version)) database.exec(migration);
      database.pragma(`user_version = ${version}`);
      const { candidates: _, ...record } = requestRecord();
      database
        .prepare("INSERT INTO requests VALUES (1, 'r', ?, 'c', 'interactive', 'm', 'ok', 'stop', 1, ?)")
        .run(noon, JSON.stringify(record));
      database.close();
      expect(open(file).store.recentRequests(10)).toEqual([{ ...requestRecord(), candidates: [] }]);
    },
  );

  test('a file that is no database is refused by name, and left as it is', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    writeFileSync(
      file,
      'not a database, but long enough to have a header of its own, which SQLite then refuses to read',
    );
    expect(() => open(file)).toThrow(/sluice\.db is damaged or no Sluice database .* move it away/);
  });

  test('a folder that cannot be made is an error that names the file', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'data'), '');
    expect(() => open(join(folder, 'data', 'sluice.db'))).toThrow(/data\/sluice\.db cannot be used/);
  });
});

describe('recordRequest', () => {
  test('a record is readable at once and on disk within a second', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const { store, clock } = open(file);
    store.recordRequest(requestRecord());
    expect(store.recentRequests(5)).toEqual([requestRecord()]);
    expect(count(file, 'requests')).toBe(0);
    clock.advance(1_000);
    expect(count(file, 'requests')).toBe(1);
    expect(store.recentRequests(5)).toEqual([requestRecord()]);
  });

  test('a burst is written in steps and kept in order', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const { store, clock } = open(file);
    const total = ROWS_PER_STEP * 2 + 1;
    for (let index = 0; index < total; index += 1)
      store.recordRequest(requestRecord({ requestId: requestId(`r-${index}`) }));
    clock.advance(0);
    expect(count(file, 'requests')).toBe(ROWS_PER_STEP);
    const mixed = store.recentRequests(total + 5).map((record) => record.requestId);
    expect(mixed).toEqual(Array.from({ length: total }, (_, index) => `r-${total - 1 - index}`));
    clock.advance(100);
    expect(count(file, 'requests')).toBe(total);
    expect(clock.timers()).toBe(0);
  });

  test('what waits is written on close', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const { store } = open(file);
    store.recordRequest(requestRecord());
    store.close();
    expect(count(file, 'requests')).toBe(1);
  });

  test('under load the candidates of only some requests per second are kept, the rows of all', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const { store } = open(file);
    const { receivedAtMs } = requestRecord();
    // Whatever second each of them came in: long ones and short ones end together.
    for (let index = 0; index < DECISIONS_PER_SECOND + 20; index += 1) {
      expect(store.keepsDecision()).toBe(index < DECISIONS_PER_SECOND);
      store.recordRequest(requestRecord({ receivedAtMs: receivedAtMs - (index % 3) * 1000 }));
    }
    store.flush();
    expect(count(file, 'decisions')).toBe(DECISIONS_PER_SECOND);
    expect(count(file, 'requests')).toBe(DECISIONS_PER_SECOND + 20);
    expect(store.recentRequests(1)[0]?.candidates).toEqual([]);
  });

  test('requests older than the keeping time are pruned, their candidates with them', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const { store } = open(file);
    store.recordRequest(requestRecord({ receivedAtMs: noon - REQUESTS_KEPT_MS - 1 }));
    store.recordRequest(requestRecord({ receivedAtMs: noon - REQUESTS_KEPT_MS + 1 }));
    store.flush();
    expect(count(file, 'requests')).toBe(1);
    expect(count(file, 'decisions')).toBe(1);
  });
});

describe('recentRequests', () => {
  test('a filter holds for rows on disk and in memory alike', () => {
    const { store } = open(':memory:');
    const add = (model: string, outcome: 'ok' | 'cancelled') =>
      store.recordRequest(
        requestRecord({
          model: modelId(model),
          ...(outcome === 'cancelled' ? { outcome: { kind: 'cancelled' as const } } : {}),
        }),
      );
    add('a', 'ok');
    add('b', 'cancelled');
    store.flush();
    add('a', 'cancelled');
    add('b', 'ok');
    const seen = (filter: Parameters<Store['recentRequests']>[1]) =>
      store.recentRequests(9, filter).map((record) => `${record.model} ${record.outcome.kind}`);
    expect(seen({ model: modelId('a') })).toEqual(['a cancelled', 'a ok']);
    expect(seen({ outcome: 'cancelled' })).toEqual(['a cancelled', 'b cancelled']);
    expect(seen({ class: 'batch' })).toEqual([]);
    expect(seen({ client: 'editor' })).toHaveLength(4);
    expect(store.recentRequests(3)).toHaveLength(3);
    expect(store.recentRequests(1)[0]?.model).toBe('b');
  });
});

describe('a disk that is full', () => {
  test('is noticed once, keeps serving, and what waited is written when there is room again', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const clock = fakeClock();
    const events: GatewayEvent[] = [];
    const store = openStore(file, { clock, emit: (event) => events.push(event), pagesMax: 60 });
    onTestFinished(() => store.close());
    for (let index = 0; index < 2_000; index += 1) store.recordRequest(requestRecord());
    clock.advance(60_000);
    const stored = count(file, 'requests');
    expect(stored).toBeGreaterThan(0);
    expect(stored).toBeLessThan(2_000);
    expect(events).toMatchObject([
      { kind: 'gateway.notice', level: 'warn', message: expect.stringMatching(/is full.*serving goes on/) },
    ]);
    store.recordRequest(requestRecord({ requestId: requestId('late') }));
    expect(store.recentRequests(1)[0]?.requestId).toBe('late');
    expect(() => store.saveFileHash({ path: 'x'.repeat(100_000), sizeBytes: 1, mtimeMs: 1 }, '')).toThrow(
      /the disk is full: free some space/,
    );

    const other = new DatabaseFile(file);
    for (let round = 0; round < 20 && store.recentRequests(2_000).length > 0; round += 1) {
      other.exec('PRAGMA foreign_keys = ON; DELETE FROM requests');
      clock.advance(5_000);
      if (events.length > 1) break;
    }
    other.close();
    expect(events[1]).toMatchObject({ level: 'info', message: expect.stringMatching(/can be written again/) });
  });

  test('what a closing store cannot write is told with its count', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const events: GatewayEvent[] = [];
    const store = openStore(file, { clock: fakeClock(), emit: (event) => events.push(event), pagesMax: 40 });
    for (let index = 0; index < 2_000; index += 1) store.recordRequest(requestRecord());
    store.close();
    expect(events.at(-1)).toMatchObject({
      message: expect.stringMatching(/^\d+ rows of history could not be written/),
    });
  });
});

describe('a file another program has locked', () => {
  test('is written as soon as the lock is gone, nothing lost', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const { store, clock, events } = open(file);
    const blocker = new DatabaseFile(file);
    onTestFinished(() => void blocker.close());
    blocker.exec('BEGIN EXCLUSIVE');
    for (let round = 0; round < 3; round += 1) {
      store.recordRequest(requestRecord({ requestId: requestId(`late-${round}`) }));
      clock.advance(2_000);
    }
    expect(events).toHaveLength(1);
    expect(store.recentRequests(1)[0]?.requestId).toBe('late-2');
    blocker.exec('COMMIT');
    clock.advance(10_000);
    expect(events.at(-1)).toMatchObject({
      level: 'info',
      message: expect.stringMatching(/can be written again; 0 rows/),
    });
    expect(count(file, 'requests')).toBe(3);
  });
});

describe('the write buffer', () => {
  test('holds a bounded number of rows while the disk refuses them', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const { store } = open(file);
    for (let index = 0; index < ROWS_PENDING_MAX + 5; index += 1) store.recordRequest(requestRecord());
    expect(store.recentRequests(ROWS_PENDING_MAX * 2).length).toBeLessThanOrEqual(ROWS_PENDING_MAX);
  });
});

describe('two processes on one file', () => {
  test('a process killed with -9 loses at most the last second', async () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', join(import.meta.dirname, 'recording-process.ts'), file],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const lines = createInterface({ input: child.stdout });
    const recordedAtMs: number[] = [];
    let killedAtMs = 0;
    lines.on('line', (line) => {
      recordedAtMs.push(Number(line));
      const first = recordedAtMs[0] ?? 0;
      if (Number(line) - first < 1_800 || killedAtMs !== 0) return;
      killedAtMs = systemClock.nowMs();
      child.kill('SIGKILL');
    });
    await once(child, 'exit');
    const { store } = open(file);
    const stored = new Set(store.recentRequests(100_000).map((record) => record.receivedAtMs));
    const lost = recordedAtMs.filter((atMs) => !stored.has(atMs));
    expect(stored.size).toBeGreaterThan(10);
    expect(Math.min(...lost, killedAtMs)).toBeGreaterThanOrEqual(killedAtMs - 1_000);
  });

  test('a benchmark run of this very process is news as well, its other rows are none', () => {
    const { store } = open(join(temporaryFolder(), 'sluice.db'));
    const before = store.dataVersion();
    store.recordRequest(requestRecord());
    store.flush();
    expect(store.dataVersion()).toBe(before);
    const run = { id: 'r', startedAt: '2026-11-20T10:00:00.000Z', provenance: 'measured' as const, document: '{}' };
    store.saveBenchRun(run, { figures: [] });
    expect(store.dataVersion()).not.toBe(before);
  });

  test('what one writes the other sees, and knows that it changed', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const one = open(file).store;
    const other = open(file).store;
    const before = other.dataVersion();
    one.recordRequest(requestRecord());
    one.flush();
    expect(other.dataVersion()).not.toBe(before);
    expect(other.recentRequests(5)).toHaveLength(1);
    other.recordRequest(requestRecord());
    expect(other.flush()).toBe(true);
    expect(one.recentRequests(5)).toHaveLength(2);
  });
});

describe('recordObservation', () => {
  test('of a burst only the newest of each model key are written, oldest first', () => {
    const { store } = open(':memory:');
    for (let index = 0; index < 120; index += 1) store.recordObservation('a', { atMs: index });
    store.recordObservation('b', { atMs: 7 });
    store.flush();
    expect(store.observations('a', 100).map((seen) => seen.atMs)).toEqual(
      Array.from({ length: 50 }, (_, index) => 70 + index),
    );
    expect(store.observations('b', 100)).toEqual([{ atMs: 7 }]);
    store.recordObservation('b', { atMs: 8 });
    store.flush();
    expect(store.observations('b', 1)).toEqual([{ atMs: 8 }]);
  });

  test('goes on after rows were dropped because the buffer was full', () => {
    const { store } = open(':memory:');
    store.recordObservation('a', { atMs: 1 });
    for (let index = 0; index < ROWS_PENDING_MAX + 1; index += 1) store.recordRequest(requestRecord());
    store.recordObservation('a', { atMs: 2 });
    store.flush();
    expect(store.observations('a', 9)).toEqual([{ atMs: 2 }]);
  });
});

describe('learnedState', () => {
  const rows = (store: Store) => [...store.learnedState().rows].sort((a, b) => a.key.localeCompare(b.key));

  test('gives back the last value of each key after the file was opened again', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const { store } = open(file);
    store.recordLearned([
      { key: 'a', value: [1] },
      { key: 'b', value: { c: 2 } },
    ]);
    store.recordLearned([{ key: 'a', value: [3] }]);
    store.flush();
    expect(rows(open(file).store)).toEqual([
      { key: 'a', value: [3] },
      { key: 'b', value: { c: 2 } },
    ]);
  });

  test('keeps a value as it was when it was recorded', () => {
    const { store } = open(':memory:');
    const value = [1];
    store.recordLearned([{ key: 'a', value }]);
    value.push(2);
    store.flush();
    expect(rows(store)).toEqual([{ key: 'a', value: [1] }]);
  });

  test('leaves rows of another version aside and hands out damaged ones as they are', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    open(file).store.close();
    const database = new DatabaseFile(file);
    database.exec("INSERT INTO learned VALUES ('old', 0, '1'), ('broken', 1, '{')");
    database.close();
    expect(rows(open(file).store)).toEqual([{ key: 'broken', value: '{' }]);
  });
});

describe('fileHash', () => {
  test('is known only while size and time are the same', () => {
    const { store } = open(':memory:');
    const state = { path: '/m.gguf', sizeBytes: 10, mtimeMs: 1.5 };
    expect(store.fileHash(state)).toBeUndefined();
    store.saveFileHash(state, 'aa');
    expect(store.fileHash(state)).toBe('aa');
    expect(store.fileHash({ ...state, mtimeMs: 2 })).toBeUndefined();
    store.saveFileHash({ ...state, mtimeMs: 2 }, 'bb');
    expect(store.fileHash({ ...state, mtimeMs: 2 })).toBe('bb');
  });
});
