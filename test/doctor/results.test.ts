import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import DatabaseFile from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { checkStorage } from '../../src/doctor/checks/storage.ts';
import { examineHost } from '../../src/doctor/examine.ts';
import { MIGRATIONS } from '../../src/store/migrations.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

/** What is said of a database of this machine. */
async function databaseOf(folder: string) {
  const options = { sysroot: '/', policyFile: join(folder, 'none.yaml'), dataDir: folder };
  const host = await examineHost({ ...options, clock: fakeClock(), environment: {} });
  return (await checkStorage(host)).find(({ id }) => id === 'database');
}

function databaseWithSchema(version: number): { readonly folder: string; readonly version: () => unknown } {
  const folder = temporaryFolder();
  const opened = <Result>(work: (database: InstanceType<typeof DatabaseFile>) => Result): Result => {
    const database = new DatabaseFile(join(folder, 'sluice.db'));
    try {
      return work(database);
    } finally {
      database.close();
    }
  };
  opened((database) => {
    for (const migration of MIGRATIONS.slice(0, version)) database.exec(migration);
    database.pragma(`user_version = ${version}`);
  });
  return { folder, version: () => opened((database) => database.pragma('user_version', { simple: true })) };
}

describe('the database', () => {
  it('of an older Sluice, which may still serve from it, is left as it is', async () => {
    const { folder, version } = databaseWithSchema(2);
    expect(await databaseOf(folder)).toMatchObject({
      severity: 'info',
      measured: `${folder}/sluice.db has schema 2, this Sluice writes ${MIGRATIONS.length}`,
    });
    expect(version()).toBe(2);
  });

  it('of this Sluice is nothing to speak of, one of a newer is an error', async () => {
    expect(await databaseOf(databaseWithSchema(MIGRATIONS.length).folder)).toBeUndefined();
    const newer = databaseWithSchema(MIGRATIONS.length + 1);
    expect(await databaseOf(newer.folder)).toMatchObject({ severity: 'error' });
    expect(newer.version()).toBe(MIGRATIONS.length + 1);
  });

  it('that is none is an error', async () => {
    const folder = temporaryFolder();
    writeFileSync(
      join(folder, 'sluice.db'),
      'not a database, but long enough to have a header of its own, and more than that',
    );
    expect(await databaseOf(folder)).toMatchObject({ severity: 'error', remedy: expect.stringContaining('aside') });
  });
});
