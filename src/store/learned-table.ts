import type { Database } from 'better-sqlite3';
import type { LearnedRow, LearnedState } from '../learn/learned-state.ts';
import { STATE_VERSION } from '../learn/learned-state.ts';

/** A row that waits to be written: its value is JSON already, because what it was made of goes on changing. */
export type WaitingRow = { readonly key: string; readonly json: string };

/** The table of what live traffic has taught. All functions work at once and throw SQLite's own errors. */
export function openLearnedTable(database: Database) {
  const upsert = database.prepare(
    'INSERT INTO learned (key, version, value) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET version = excluded.version, value = excluded.value',
  );
  const select = database.prepare<unknown[], { key: string; value: string }>(
    'SELECT key, value FROM learned WHERE version = ?',
  );
  return {
    upsert: ({ key, json }: WaitingRow): void => {
      upsert.run(key, STATE_VERSION, json);
    },
    /** Rows of this program's version; those of another are learned anew. A value that is no JSON comes as its text. */
    state: (): LearnedState => ({
      version: STATE_VERSION,
      rows: select.all(STATE_VERSION).map(({ key, value }): LearnedRow => ({ key, value: parsed(value) })),
    }),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Damaged; whoever checks the state finds a text where none belongs, and says so.
    return text;
  }
}
