/** A batch as `GET /v1/batches/{id}` tells of it, as far as it is looked at here. */
export type SeenBatch = {
  readonly id: string;
  readonly status: string;
  readonly created_at: number;
  readonly in_progress_at: number | null;
  readonly completed_at: number | null;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly errors: { readonly data: readonly { readonly message: string }[] } | null;
  readonly x_router: {
    readonly state?: string;
    readonly predicted_finish?: string | null;
    readonly promised?: boolean;
    readonly in_time?: number;
    readonly planned?: Readonly<Record<string, number>>;
    readonly lost_ms: number;
    readonly preempted: number;
    readonly paused: string | null;
  };
};

/** One line of an output or error file. */
export type ResultLine = {
  readonly custom_id: string;
  readonly error: unknown;
  readonly response: {
    readonly status_code: number;
    readonly body: { readonly x_router?: { readonly attempts?: number } };
  } | null;
};

const ENDED: ReadonlySet<string> = new Set(['completed', 'failed', 'expired', 'cancelled']);

/** True once a batch stays as it is. */
export const hasEnded = ({ status }: SeenBatch): boolean => ENDED.has(status);

type Asked = { readonly metadata?: Readonly<Record<string, string>>; readonly completionWindow?: string };

/** Sends a JSONL text as a file and makes a batch of it; returns the batch as it was answered. */
export async function submitBatch(
  url: string,
  text: string,
  { metadata = { x_window: 'now' }, completionWindow = '24h' }: Asked = {},
): Promise<SeenBatch> {
  const form = new FormData();
  form.set('purpose', 'batch');
  form.set('file', new Blob([text]), 'night.jsonl');
  const file = await ask<{ readonly id: string }>(`${url}/v1/files`, { method: 'POST', body: form });
  const endpoint = '/v1/chat/completions';
  const body = JSON.stringify({ input_file_id: file.id, endpoint, completion_window: completionWindow, metadata });
  return await ask<SeenBatch>(`${url}/v1/batches`, { method: 'POST', body });
}

/** A batch as it stands. */
export const findBatch = (url: string, id: string): Promise<SeenBatch> => ask(`${url}/v1/batches/${id}`);

/** The lines of a file; none where there is no file. */
export async function readLines(url: string, id: string | null): Promise<readonly ResultLine[]> {
  if (id === null) return [];
  const text = await (await fetch(`${url}/v1/files/${id}/content`)).text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ResultLine);
}

/** Asks and parses; rejects with what was answered where that is no success. */
export async function ask<Answer>(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 500)}`);
  return JSON.parse(text) as Answer;
}
