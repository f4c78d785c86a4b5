import { isEnded } from '../core/batch.ts';
import { formatBytes, formatDurationMs, formatShare } from '../core/format.ts';
import type { BatchAnswer, FaultAnswer } from './batch-api.ts';

const BAR_WIDTH = 24;
/** Within this a time of day can mean one time only. */
const NEAR_MS = 18 * 3_600_000;
const FAULTS_SHOWN_MAX = 20;

/** True where every line of a batch has an answer. */
export const isAllDone = ({ status, request_counts: counts }: BatchAnswer): boolean =>
  status === 'completed' && counts.failed === 0;

/** How a batch stands, as several lines. `nowMs` is the wall clock. */
export function describeBatch(batch: BatchAnswer, nowMs: number): readonly string[] {
  const { id, status, x_router: news } = batch;
  const endedMs = endOf(batch);
  const what = endedMs === undefined ? (news.state ?? news.paused) : timeText(endedMs, nowMs);
  const lines = [`${id}: ${status}${what === undefined || what === null ? '' : `, ${what}`}`];
  if (status === 'failed') return [...lines, ...faultLines('the input', batch.errors?.data ?? []).map(indent)];
  lines.push(indent(progressOf(batch)));
  if (news.paused !== null) lines.push(indent(`paused: ${news.paused}`));
  const planned = Object.entries(news.planned ?? {});
  const rate = rateOf(batch);
  const forecast = forecastOf(batch, nowMs);
  if (rate !== undefined || forecast !== undefined) {
    lines.push(indent([rate, forecast].filter((part) => part !== undefined).join('; ')));
  }
  if (planned.length > 0) lines.push(indent(`planned: ${planned.map(([model, n]) => `${model} ${n}`).join(', ')}`));
  if (news.lost_ms > 0 || news.preempted > 0) {
    const lost = formatDurationMs(news.lost_ms);
    lines.push(indent(`made way for people ${times(news.preempted)}, ${lost} of work to be done again`));
  }
  return [...lines, ...nextSteps(batch).map(indent)];
}

/** How a batch stands, as one line, and a key that changes only when there is news worth another line of a log. */
export function watchLine(batch: BatchAnswer, nowMs: number): { readonly text: string; readonly key: string } {
  const { id, status, x_router: news, request_counts: counts } = batch;
  const state = news.paused === null ? (news.state ?? status) : `paused: ${news.paused}`;
  const parts = [progressOf(batch), rateOf(batch), forecastOf(batch, nowMs), state === 'running' ? undefined : state];
  const tenths = counts.total === 0 ? 0 : Math.floor((10 * (counts.completed + counts.failed)) / counts.total);
  return {
    text: `${id}: ${parts.filter((part) => part !== undefined).join('; ')}`,
    // A state may hold a time that runs down.
    key: [status, state.replace(/\d+/g, ''), tenths, counts.failed > 0].join('|'),
  };
}

/**
 * When a batch will be done, held against its deadline; undefined where nothing is planned: it has ended, or its window
 * has not opened yet.
 */
export function forecastOf(batch: BatchAnswer, nowMs: number): string | undefined {
  const { status, request_counts: counts, expires_at: deadline, x_router: news } = batch;
  const { in_time: inTime, predicted_finish: finish, promised, planned = {} } = news;
  if (status !== 'in_progress' || inTime === undefined || Object.keys(planned).length === 0) return undefined;
  const by = deadline === null ? 'its deadline' : timeText(deadline * 1000, nowMs);
  if (inTime < counts.total) return `will not finish by ${by}: ${inTime} of ${counts.total}`;
  if (finish === undefined || finish === null) return 'no end can be predicted';
  const about = `finishes about ${timeText(Date.parse(finish), nowMs)}`;
  return promised === true ? `${about}, promised by ${by}` : `${about}; that is too close to ${by} for a promise`;
}

/** What is wrong with the lines of an input called `name`: each with its line, at most twenty, and how many more. */
export function faultLines(name: string, faults: readonly FaultAnswer[]): readonly string[] {
  const shown = faults.slice(0, FAULTS_SHOWN_MAX).map(({ line, message }) => {
    return `${line === null ? name : `${name}:${line}`}: ${message}`;
  });
  const more = faults.length - shown.length;
  return more === 0 ? shown : [...shown, `and ${more} more`];
}

/** Head of the table of batches. */
export const BATCH_HEADER = ['batch', 'status', 'done', 'failed', 'created', 'deadline or end', 'files'] as const;

/** One row of the table of batches; `bytes` are those of its files. */
export function batchRow(batch: BatchAnswer, bytes: number, nowMs: number): readonly string[] {
  const { total, completed, failed } = batch.request_counts;
  const endMs = endOf(batch) ?? (batch.expires_at === null ? undefined : batch.expires_at * 1000);
  return [
    batch.id,
    batch.status,
    `${completed}/${total}`,
    String(failed),
    timeText(batch.created_at * 1000, nowMs),
    endMs === undefined ? '' : timeText(endMs, nowMs),
    formatBytes(bytes),
  ];
}

/** When a batch ended, wall clock in ms; undefined where it has not. */
export function endOf(batch: BatchAnswer): number | undefined {
  const seconds = batch.completed_at ?? batch.failed_at ?? batch.expired_at ?? batch.cancelled_at;
  return seconds === null || !isEnded(batch.status) ? undefined : seconds * 1000;
}

/** Local time: `07:00` within 18 hours of `nowMs`, else `2026-11-22 07:00`. */
export function timeText(timeMs: number, nowMs: number): string {
  const time = new Date(timeMs);
  const two = (value: number) => String(value).padStart(2, '0');
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}`;
  if (Math.abs(timeMs - nowMs) < NEAR_MS) return clock;
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${clock}`;
}

function progressOf({ status, request_counts: counts }: BatchAnswer): string {
  if (status === 'validating') return 'its lines are being checked';
  const ended = counts.completed + counts.failed;
  const share = counts.total === 0 ? 0 : ended / counts.total;
  const filled = Math.floor(share * BAR_WIDTH);
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}]`;
  const failed = counts.failed === 0 ? '' : `, ${counts.failed} failed`;
  return `${bar} ${ended} of ${counts.total} (${formatShare(share)})${failed}`;
}

function rateOf({ status, x_router: { items_per_hour: rate } }: BatchAnswer): string | undefined {
  if (status !== 'in_progress' || rate === undefined || rate === null) return undefined;
  return `${rate >= 100 ? Math.round(rate) : rate} items/h`;
}

function nextSteps({ id, output_file_id: output, error_file_id: errors }: BatchAnswer): readonly string[] {
  const steps: string[] = [];
  if (output !== null) steps.push(`answers: sluice batch results ${id}`);
  if (errors !== null) steps.push(`errors: sluice batch results ${id} --errors`);
  return steps;
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);
const indent = (line: string): string => `  ${line}`;
