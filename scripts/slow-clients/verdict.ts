import { MODEL_CLASSES, type ModelClass } from '../../src/core/classes.ts';
import { percentileSorted } from '../../src/core/stats.ts';
import { type Fairness, orderFairness } from './fairness.ts';
import type { FinishedRequest } from './gateway-messages.ts';
import type { RunOptions, RunResult } from './run.ts';
import type { Reading } from './scenario.ts';

/** Waits in the lane, ms; undefined where there are none. */
export type Waits = { readonly n: number; readonly p50: number; readonly p95: number; readonly max: number };

/** What a run amounts to. */
export type Verdict = {
  readonly byClass: Readonly<Partial<Record<ModelClass, { readonly waits: Waits; readonly fairness: Fairness }>>>;
  /** Waits by way of reading, of the class with most clients: how a client reads must not matter. */
  readonly byReading: Readonly<Partial<Record<Reading, Waits>>>;
  readonly answered: number;
  /** Clients that read and did not get their whole answer. */
  readonly incomplete: readonly string[];
  readonly cutOff: number;
  /** Bytes in use that the run has added at most, and that it has left. */
  readonly heldGrowth: number;
  readonly heldAfter: number;
  /** Resident memory the run has added at most, bytes. */
  readonly rssGrowth: number;
  /** Bytes that stuck clients were to get and did not take. */
  readonly withheldBytes: number;
  /** What is not as it should be; empty = all is well. */
  readonly faults: readonly string[];
};

const TOKEN_BYTES = 200;
/** A queue entry, a socket and its buffers take less; an answer of the run takes a multiple of it. */
const HELD_PER_CLIENT_MAX = 40_000;
/** What the gateway keeps of its work anyway: prompts known, requests remembered, code compiled. */
const HELD_BASE = 8e6;
/** The collector lets the heap grow under load, whoever the clients are. */
const RSS_BASE = 60e6;

/** Judges a run. */
export function judge(options: RunOptions, result: RunResult): Verdict {
  const finished = result.report.finished;
  const readingOf = new Map(result.clients.map(({ plan }) => [plan.id, plan.reading]));
  const ordinary = finished.filter(({ id }) => readingOf.get(id) !== 'stuck');
  const byClass = Object.fromEntries(
    MODEL_CLASSES.map((name) => [name, ordinary.filter((request) => request.class === name)] as const)
      .filter(([, requests]) => requests.length > 0)
      .map(([name, requests]) => [
        name,
        { waits: waitsOf(requests), fairness: orderFairness(requests.map(({ receivedAtMs }) => receivedAtMs)) },
      ]),
  );
  const interactive = ordinary.filter((request) => request.class === 'interactive');
  const byReading = Object.fromEntries(
    (['fast', 'slow', 'late', 'never'] as const).map((reading) => [
      reading,
      waitsOf(interactive.filter(({ id }) => readingOf.get(id) === reading)),
    ]),
  );
  const incomplete = result.clients
    .filter(({ plan, seen }) => plan.reading !== 'never' && plan.reading !== 'stuck' && !seen.isComplete)
    .map(({ plan, seen }) => `${plan.id} (${plan.class}, ${plan.reading}): status ${seen.status}, ${seen.bytes} bytes`);
  const figures = {
    byClass,
    byReading,
    answered: finished.filter(({ outcome }) => outcome === 'ok').length,
    incomplete,
    cutOff: result.report.notices.filter((notice) => notice.includes('gateway.write_timeout')).length,
    heldGrowth: result.held.peak - result.held.before,
    heldAfter: result.held.after - result.held.before,
    rssGrowth: result.rss.peak - result.rss.before,
    withheldBytes: options.stuck * options.stuckTokens * TOKEN_BYTES,
  };
  return { ...figures, faults: faultsOf(options, figures) };
}

function faultsOf(options: RunOptions, verdict: Omit<Verdict, 'faults'>): string[] {
  const faults: string[] = [];
  const ordinary = options.clients - options.stuck;
  if (verdict.answered !== ordinary) faults.push(`${verdict.answered} of ${ordinary} requests were answered`);
  if (verdict.incomplete.length > 0)
    faults.push(`answers were not read whole: ${verdict.incomplete.slice(0, 5).join('; ')}`);
  if (verdict.cutOff !== options.stuck) faults.push(`${verdict.cutOff} clients were cut off, not ${options.stuck}`);
  for (const [name, { fairness }] of Object.entries(verdict.byClass)) {
    if (fairness.inversions > 0) faults.push(`${name}: ${fairness.inversions} pairs were served in the wrong order`);
  }
  const heldMax = HELD_BASE + options.clients * HELD_PER_CLIENT_MAX;
  if (verdict.heldGrowth > heldMax)
    faults.push(`${megabytes(verdict.heldGrowth)} were in use at once, beyond ${megabytes(heldMax)}`);
  if (verdict.heldAfter > HELD_BASE) faults.push(`${megabytes(verdict.heldAfter)} are still in use`);
  if (verdict.rssGrowth > RSS_BASE + heldMax) faults.push(`resident memory grew by ${megabytes(verdict.rssGrowth)}`);
  return faults;
}

/** `12.3 MB` */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

function waitsOf(requests: readonly FinishedRequest[]): Waits {
  const waits = requests.flatMap(({ queueMs }) => queueMs ?? []).toSorted((a, b) => a - b);
  const at = (quantile: number) => Math.round(percentileSorted(waits, quantile) ?? 0);
  return { n: waits.length, p50: at(0.5), p95: at(0.95), max: at(1) };
}
