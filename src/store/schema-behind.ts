import DatabaseFile from 'better-sqlite3';
import { MIGRATIONS } from './migrations.ts';

/** Schema of a database file, and the one that this Sluice writes. */
export type SchemaBehind = { readonly found: number; readonly wanted: number };

/**
 * The schemas where an existing file was written by an older Sluice, so that to open it as a store would change it;
 * undefined where it would not. Throws what SQLite says of a file that is no database.
 */
export function schemaBehind(file: string): SchemaBehind | undefined {
  const database = new DatabaseFile(file, { fileMustExist: true });
  try {
    const found = Number(database.pragma('user_version', { simple: true }));
    return found < MIGRATIONS.length ? { found, wanted: MIGRATIONS.length } : undefined;
  } finally {
    database.close();
  }
}
