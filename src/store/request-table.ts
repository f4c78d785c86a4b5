import type { Database } from 'better-sqlite3';
import type { Clock } from '../core/clock.ts';
import type { RequestRecord } from '../core/events.ts';
import { decodeRequest, encodeCandidates, encodeRequest, type RequestRow } from './request-rows.ts';

/** Requests kept, and for how long: enough to compare a month, about 40 MB at most. */
export const REQUESTS_KEPT = 50_000;
/** See {@link REQUESTS_KEPT}. */
export const REQUESTS_KEPT_MS = 30 * 24 * 3_600_000;
/** Requests whose whole list of candidates is kept: the large part of a row, read by people for recent ones only. */
export const DECISIONS_KEPT = 5_000;
/**
 * Decisions written per second at most. Above what a board serves, and what people read; a load test of thousands per
 * second would spend more on writing the same decision again, some 13 kB with a dozen models, than on answering.
 */
export const DECISIONS_PER_SECOND = 10;

/** Rows one round of pruning by age looks at. */
const PRUNED_AT_ONCE = 2_000;

type Filter = {
  readonly requestId?: string;
  readonly model?: string;
  readonly class?: string;
  readonly client?: string;
  readonly outcome?: string;
};

/** A request that waits to be written; no candidates where they are not kept. */
export type WaitingRequest = { readonly row: RequestRow; readonly candidates: string | null };

const withoutDecision = (record: RequestRecord): RequestRecord => ({
  ...record,
  candidates: [],
  reasons: [],
  reason: '',
  predicted: undefined,
  features: undefined,
});

/** The requests and decisions tables. All functions work at once and throw SQLite's own errors. */
export function openRequestTable(database: Database, clock: Clock) {
  const newestSeq = '(SELECT max(seq) FROM requests)';
  const insertRequest = database.prepare(`
    INSERT INTO requests (request_id, received_at_ms, client, class, model, outcome, finish_reason, output_tokens, record)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const insertDecision = database.prepare('INSERT INTO decisions (seq, candidates) VALUES (?, ?)');
  const selectNewest = database.prepare<unknown[], { record: string; candidates: string | null }>(`
    SELECT record, candidates FROM requests LEFT JOIN decisions USING (seq)
    WHERE (@requestId IS NULL OR request_id = @requestId) AND (@model IS NULL OR model = @model) AND (@class IS NULL OR class = @class)
      AND (@client IS NULL OR client = @client) AND (@outcome IS NULL OR outcome = @outcome)
    ORDER BY seq DESC LIMIT @limit`);
  const prunings = [
    database.prepare(`DELETE FROM decisions WHERE seq <= ${newestSeq} - ${DECISIONS_KEPT}`),
    database.prepare(`DELETE FROM requests WHERE seq <= ${newestSeq} - ${REQUESTS_KEPT}`),
  ];
  // The oldest only, in portions: together with the count above that keeps up with any rate and never takes long.
  const pruneByAge = database.prepare(`
    DELETE FROM requests WHERE received_at_ms < ? AND seq IN (SELECT seq FROM requests ORDER BY seq LIMIT ${PRUNED_AT_ONCE})`);
  let second = 0;
  let decisionsThisSecond = 0;

  // By the clock, not by when requests came: those that end together came in different seconds, and would each begin anew.
  const keepsDecision = (): boolean => {
    const now = Math.floor(clock.nowMs() / 1000);
    if (now !== second) decisionsThisSecond = 0;
    second = now;
    return decisionsThisSecond < DECISIONS_PER_SECOND;
  };
  const takesDecision = (): boolean => {
    const takes = keepsDecision();
    if (takes) decisionsThisSecond += 1;
    return takes;
  };

  return {
    /** True where the decision of a request that ended now would be kept. */
    keepsDecision,
    /**
     * The record as text, which waits more cheaply than the dozen objects it is made of; above
     * {@link DECISIONS_PER_SECOND} without the decision: who, when, what it cost, how it ended.
     */
    encode: (record: RequestRecord): WaitingRequest => {
      const kept = takesDecision() ? record : withoutDecision(record);
      const candidates = kept.candidates.length > 0 ? encodeCandidates(kept) : null;
      return { row: encodeRequest(kept), candidates };
    },
    decode: ({ row, candidates }: WaitingRequest): RequestRecord =>
      decodeRequest({ record: row[row.length - 1] as string, candidates }),
    insert: ({ row, candidates }: WaitingRequest): void => {
      const { lastInsertRowid } = insertRequest.run(...row);
      if (candidates !== null) insertDecision.run(lastInsertRowid, candidates);
    },
    newest: (limit: number, filter: Filter): readonly RequestRecord[] => {
      const { requestId = null, model = null, client = null, outcome = null } = filter;
      return selectNewest
        .all({ requestId, model, client, outcome, class: filter.class ?? null, limit })
        .map(decodeRequest);
    },
    prune: (): void => {
      for (const pruning of prunings) pruning.run();
      pruneByAge.run(clock.nowMs() - REQUESTS_KEPT_MS);
    },
  };
}
