import type { Hono } from 'hono';
import { readBatchRequest } from '../batch/batch-request.ts';
import { classForClient, clientNamed, forbiddenModel } from '../classify/client-rules.ts';
import type { Batch, BatchFault } from '../core/batch.ts';
import type { ClientPolicy } from '../core/client-policy.ts';
import { GatewayError } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import { readJsonObject } from '../dialects/openai/read-json.ts';
import type { BatchOutlook } from '../serve/batch/outlook.ts';
import type { Bindings } from './app.ts';
import { checkOpen } from './check-open.ts';
import { clientNameOf } from './client-name.ts';
import { findModel } from './models.ts';
import { encodePage, readPage } from './page.ts';
import type { HttpParts } from './parts.ts';
import { readBody } from './read-body.ts';
import { snakeCase } from './snake-case.ts';

const LIMIT_DEFAULT = 20;
const LIMIT_MAX = 100;

/** OpenAI's Batches: `POST /v1/batches`, the list, one, its cancellation, and (ours) the end of one that has ended. */
export function addBatchRoutes(app: Hono<Bindings>, parts: HttpParts): void {
  app.post('/v1/batches', async (context) => {
    const { incoming } = context.env;
    const client = clientNameOf(parts, incoming);
    checkOpen(parts);
    const policy = parts.policy();
    const body = readJsonObject(await readBody(incoming, policy.gateway.bodyBytesMax));
    const request = readBatchRequest(body, {
      nowMs: parts.clock.nowMs(),
      timezone: policy.batch.timezone,
      minQuality: policy.classes.batch.minQuality,
      checkModel: (name) => void findModel(name, parts),
    });
    checkClient(
      clientNamed(client, policy),
      request.model === undefined ? undefined : findModel(request.model, parts).id,
    );
    const file = parts.files.find(client, request.inputFile);
    if (file.purpose !== 'batch') {
      throw new GatewayError('invalid_request', `${file.id} is a file of results, not an input`, {
        param: 'input_file_id',
      });
    }
    return context.json(encodeBatch(parts, parts.batches.create(client, request)));
  });
  app.get('/v1/batches', (context) => {
    const client = clientNameOf(parts, context.env.incoming);
    const page = readPage(context.req.query(), { limitDefault: LIMIT_DEFAULT, limitMax: LIMIT_MAX });
    const found = parts.batches.list(client, { ...page, limit: page.limit + 1 });
    const encoded = found.map((batch) => encodeBatch(parts, batch));
    return context.json(encodePage(encoded, page.limit));
  });
  app.get('/v1/batches/:id', (context) => {
    const client = clientNameOf(parts, context.env.incoming);
    return context.json(encodeBatch(parts, parts.batches.find(client, context.req.param('id'))));
  });
  app.post('/v1/batches/:id/cancel', async (context) => {
    const client = clientNameOf(parts, context.env.incoming);
    return context.json(encodeBatch(parts, await parts.batches.cancel(client, context.req.param('id'))));
  });
  app.delete('/v1/batches/:id', async (context) => {
    const client = clientNameOf(parts, context.env.incoming);
    const id = context.req.param('id');
    await parts.removeBatch(client, id);
    return context.json({ id, object: 'batch', deleted: true });
  });
}

// The same rules as for its requests, one by one; what a line names is looked at when the line is read.
function checkClient(client: ClientPolicy | undefined, model: ModelId | undefined): void {
  const byClass = classForClient({ class: 'batch', isAsked: true }, client, []);
  const forbidden = typeof byClass === 'object' ? byClass : forbiddenModel(model, client);
  if (forbidden !== undefined) throw new GatewayError(forbidden.code, forbidden.message, { param: forbidden.param });
}

function encodeBatch(parts: HttpParts, batch: Batch) {
  const { request, times, counts, usage } = batch;
  return {
    id: batch.id,
    object: 'batch',
    endpoint: request.endpoint,
    errors: batch.faults.length === 0 ? null : { object: 'list', data: batch.faults.map(encodeFault) },
    input_file_id: request.inputFile,
    completion_window: request.completionWindow,
    status: batch.status,
    output_file_id: batch.outputFile ?? null,
    error_file_id: batch.errorFile ?? null,
    created_at: seconds(times.createdMs),
    in_progress_at: seconds(times.inProgressMs),
    expires_at: seconds(request.deadlineMs),
    finalizing_at: seconds(times.finalizingMs),
    completed_at: seconds(times.completedMs),
    failed_at: seconds(times.failedMs),
    expired_at: seconds(times.expiredMs),
    cancelling_at: seconds(times.cancellingMs),
    cancelled_at: seconds(times.cancelledMs),
    request_counts: { total: counts.total, completed: counts.done, failed: counts.failed },
    usage: {
      input_tokens: usage.inputTokens,
      input_tokens_details: { cached_tokens: usage.cachedTokens },
      output_tokens: usage.outputTokens,
      output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
      total_tokens: usage.inputTokens + usage.outputTokens,
    },
    metadata: request.metadata ?? null,
    x_router: encodeOutlook(batch, parts.batchOutlook(batch.id)),
  };
}

const encodeFault = ({ code, message, param, line }: BatchFault) => ({
  code,
  message,
  param: param ?? null,
  line: line ?? null,
});

// What OpenAI has no field for: when it runs, what is planned, what it has cost.
function encodeOutlook(batch: Batch, outlook: BatchOutlook | undefined) {
  return {
    window: batch.request.when.kind === 'windows' ? batch.request.when.text : batch.request.when.kind,
    deadline_named: batch.request.hasDeadline,
    lost_ms: Math.round(batch.lostMs),
    preempted: batch.preempted,
    paused: batch.paused ?? null,
    ...(outlook !== undefined && (snakeCase(outlook) as object)),
  };
}

function seconds(ms: number): number;
function seconds(ms: number | undefined): number | null;
function seconds(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.floor(ms / 1000);
}
