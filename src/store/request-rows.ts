import type { Candidate } from '../core/decision.ts';
import type { RequestRecord } from '../core/events.ts';

/** A request as the tables hold it: columns for what is filtered on, JSON for the rest, candidates apart. */
export type RequestRow = {
  readonly request_id: string;
  readonly received_at_ms: number;
  readonly client: string;
  readonly class: string;
  readonly model: string | null;
  readonly outcome: string;
  readonly finish_reason: string | null;
  readonly output_tokens: number | null;
  readonly record: string;
};

/** Splits a record into its row; the candidates go to their own table, see {@link encodeCandidates}. */
export function encodeRequest(record: RequestRecord): RequestRow {
  const { candidates: _apart, ...rest } = record;
  return {
    request_id: record.requestId,
    received_at_ms: Math.round(record.receivedAtMs),
    client: record.client,
    class: record.class,
    model: record.model ?? null,
    outcome: record.outcome.kind,
    finish_reason: record.outcome.kind === 'ok' ? (record.outcome.finishReason ?? null) : null,
    output_tokens: record.actual.outputTokens ?? null,
    record: JSON.stringify(rest),
  };
}

/** The candidates of a record as text. */
export const encodeCandidates = (record: RequestRecord): string => JSON.stringify(record.candidates);

/** Puts a record together again; `candidates` is null where they were not kept, which reads as an empty list. */
export function decodeRequest(row: { readonly record: string; readonly candidates: string | null }): RequestRecord {
  const rest = JSON.parse(row.record) as Omit<RequestRecord, 'candidates'>;
  const candidates = row.candidates === null ? [] : (JSON.parse(row.candidates) as readonly Candidate[]);
  return { ...rest, candidates };
}
