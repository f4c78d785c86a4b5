import type { Candidate, Prediction } from '../core/decision.ts';
import type { RequestRecord } from '../core/events.ts';

/** A request as its table holds it, in the order of the columns: what is filtered on, then JSON of the whole. */
export type RequestRow = readonly [
  requestId: string,
  receivedAtMs: number,
  client: string,
  modelClass: string,
  model: string | null,
  outcome: string,
  finishReason: string | null,
  outputTokens: number | null,
  record: string,
];

/** Splits a record into its row; the candidates go to their own table, see {@link encodeCandidates}. */
export function encodeRequest(record: RequestRecord): RequestRow {
  const { outcome } = record;
  return [
    record.requestId,
    Math.round(record.receivedAtMs),
    record.client,
    record.class,
    record.model ?? null,
    outcome.kind,
    outcome.kind === 'ok' ? (outcome.finishReason ?? null) : null,
    record.actual.outputTokens ?? null,
    JSON.stringify({ ...record, candidates: undefined }),
  ];
}

/** The candidates of a record as text. */
export const encodeCandidates = (record: RequestRecord): string => JSON.stringify(record.candidates);

/** Puts a record together again; `candidates` is null where they were not kept, which reads as an empty list. */
export function decodeRequest(row: { readonly record: string; readonly candidates: string | null }): RequestRecord {
  const rest = JSON.parse(row.record) as Omit<RequestRecord, 'candidates'>;
  const candidates = row.candidates === null ? [] : (JSON.parse(row.candidates) as readonly Candidate[]);
  return {
    ...rest,
    predicted: wholePrediction(rest.predicted),
    candidates: candidates.map((candidate) => ({ ...candidate, predicted: wholePrediction(candidate.predicted) })),
  };
}

// Rows written before predictions carried what they were corrected by are read as having none: half of one would be
// taken for the whole.
const wholePrediction = (predicted: Prediction | undefined): Prediction | undefined =>
  predicted !== undefined && 'calibration' in predicted ? predicted : undefined;
