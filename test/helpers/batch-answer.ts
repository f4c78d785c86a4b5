import type { BatchAnswer, BatchNews } from '../../src/commands/batch-api.ts';

type Given = Partial<Omit<BatchAnswer, 'x_router'>> & { readonly x_router?: Partial<BatchNews> };

/** A batch as a gateway tells of it: in progress, created at 20:00 UTC, due eleven hours later. */
export function batchAnswer({ x_router: news, ...given }: Given = {}): BatchAnswer {
  const created = Date.UTC(2026, 10, 21, 20) / 1000;
  return {
    ...{ id: 'batch_1', status: 'in_progress', endpoint: '/v1/chat/completions', input_file_id: 'file-1' },
    ...{ output_file_id: null, error_file_id: null, errors: null },
    ...{ created_at: created, expires_at: created + 11 * 3600 },
    ...{ completed_at: null, failed_at: null, expired_at: null, cancelled_at: null },
    request_counts: { total: 60, completed: 0, failed: 0 },
    ...given,
    x_router: { window: 'policy', deadline_named: true, lost_ms: 0, preempted: 0, paused: null, ...news },
  };
}
