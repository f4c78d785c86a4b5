import type { Database } from 'better-sqlite3';

/**
 * What one served request showed about its model: the engine's own timings and counts. A value the engine did not
 * give is absent.
 */
export type Observation = {
  readonly atMs: number;
  readonly promptTokens?: number;
  /** Prompt tokens that were not read again because they stood in the cache. */
  readonly cachedTokens?: number;
  readonly outputTokens?: number;
  readonly prefillMs?: number;
  readonly decodeMs?: number;
  /** Time of the load this request had to wait for; absent when the model was there. */
  readonly loadMs?: number;
  /** UTF-16 units of the prompt's text; absent when the prompt held more than text. */
  readonly promptChars?: number;
  readonly messageCount?: number;
};

/** Observations kept per model key: the window an observed profile looks at. */
export const OBSERVATIONS_KEPT = 50;

/** The observations table. All functions work at once and throw SQLite's own errors. */
export function openObservationTable(database: Database) {
  const insert = database.prepare('INSERT INTO observations (model_key, at_ms, observation) VALUES (?, ?, ?)');
  const select = database.prepare<unknown[], { observation: string }>(
    'SELECT observation FROM observations WHERE model_key = ? ORDER BY seq DESC LIMIT ?',
  );
  const prune = database.prepare(`
    DELETE FROM observations WHERE seq IN (
      SELECT seq FROM (SELECT seq, row_number() OVER (PARTITION BY model_key ORDER BY seq DESC) AS place FROM observations)
      WHERE place > ${OBSERVATIONS_KEPT})`);
  return {
    insert: (modelKey: string, observation: Observation): void => {
      insert.run(modelKey, Math.round(observation.atMs), JSON.stringify(observation));
    },
    /** The newest `limit`, oldest first. */
    newest: (modelKey: string, limit: number): readonly Observation[] =>
      select
        .all(modelKey, limit)
        .map((row) => JSON.parse(row.observation) as Observation)
        .reverse(),
    prune: (): void => {
      prune.run();
    },
  };
}
