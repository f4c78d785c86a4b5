import type { Database } from 'better-sqlite3';
import type { UsageRow } from '../core/usage.ts';

/** Days kept: a year, to compare with the same month of the last one. */
const DAYS_KEPT = 400;

const COLUMNS = `day, client, requests, refused, failed, prompt_tokens AS promptTokens,
  cached_tokens AS cachedTokens, output_tokens AS outputTokens`;

/** The table of what clients have used up, one row per day and client. All functions work at once and throw SQLite's own errors. */
export function openUsageTable(database: Database) {
  const upsert = database.prepare(`
    INSERT OR REPLACE INTO client_usage
      (day, client, requests, refused, failed, prompt_tokens, cached_tokens, output_tokens)
    VALUES (@day, @client, @requests, @refused, @failed, @promptTokens, @cachedTokens, @outputTokens)`);
  const select = database.prepare<unknown[], UsageRow>(
    `SELECT ${COLUMNS} FROM client_usage WHERE day >= ? ORDER BY day DESC, client`,
  );
  const prune = database.prepare(`
    DELETE FROM client_usage WHERE day NOT IN (SELECT DISTINCT day FROM client_usage ORDER BY day DESC LIMIT ${DAYS_KEPT})`);
  return {
    upsert: (row: UsageRow): void => {
      upsert.run(row);
    },
    /** Newest day first, from the day named on. */
    since: (day: string): readonly UsageRow[] => select.all(day),
    prune: (): void => {
      prune.run();
    },
  };
}
