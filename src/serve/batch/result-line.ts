import { requestIdOf } from '../../batch/write-results.ts';
import type { Item } from './item.ts';

/** What a line's request has come to. */
export type LineAnswer = {
  /** HTTP status. */
  readonly status: number;
  /** JSON text. */
  readonly body: string;
  /** Engine time in it that had been spent before, ms. */
  readonly lostMs: number;
};

type Router = { readonly attempts?: number };

/**
 * One line of the output or error file, without its newline. Its `x_router` says how often the request was begun
 * (`attempts`, the router's own retries included), what of the engine's time was lost to that (`lost_ms`, where it was
 * any), and which model it would have been given, had there been time (`instead_of`). Throws where `body` is no JSON.
 */
export function resultLine({ batch, job, model, insteadOf }: Item, { status, body, lostMs }: LineAnswer): string {
  const id = requestIdOf(batch.id, job.line);
  // JSON text already; parsed and written again it is sure to be on one line.
  const parsed = JSON.parse(body) as { readonly x_router?: Router };
  const lost = Math.round(job.lostMs + lostMs);
  const router = {
    ...parsed.x_router,
    attempts: job.attempts - 1 + (parsed.x_router?.attempts ?? 1),
    ...(lost > 0 && { lost_ms: lost }),
    ...(insteadOf !== undefined && {
      instead_of: insteadOf,
      reason: `${model} in place of ${insteadOf}: with it, not everything would be done by the deadline`,
    }),
  };
  const response = { status_code: status, request_id: id, body: { ...parsed, x_router: router } };
  return JSON.stringify({ id, custom_id: job.customId, response, error: null });
}
