import type { ModelId } from '../../core/ids.ts';
import type { Draws } from '../draws.ts';
import { modelsFor, type NamedRule } from './rule.ts';

/**
 * LiteLLM's `latency-based-routing`, quirks included: a mean of up to ten values of latency over completion tokens per
 * model; once ten are there the oldest nine stay and only the last is replaced, until an hour without a new value; time
 * to first token is divided by completion tokens too, and used for streams. A model without values counts as 0 and is
 * tried first; ties by chance. Queue, prompt length and quality play no part.
 */
export const lowestLatency: NamedRule = {
  name: 'lowest latency',
  create: ({ policy, draws }) => {
    const seen = new Map<ModelId, Seen>();
    return {
      choose: ({ workload, snapshot }) => {
        const open = modelsFor(policy, workload.class);
        const means = open.map((id) => meanOf(seen.get(id), workload.stream, snapshot.nowMs));
        const lowest = Math.min(...means);
        return anyOf(
          open.filter((_, index) => means[index] === lowest),
          draws,
        );
      },
      finished: ({ model, stream, outputTokens, ttftMs, e2eMs, nowMs }) => {
        const known = seen.get(model);
        const fresh = known !== undefined && nowMs - known.atMs < TTL_MS ? known : EMPTY;
        const tokens = Math.max(1, outputTokens);
        seen.set(model, {
          atMs: nowMs,
          latency: keepOldest(fresh.latency, e2eMs / tokens),
          firstToken: stream ? keepOldest(fresh.firstToken, ttftMs / tokens) : fresh.firstToken,
        });
      },
    };
  },
};

type Seen = { readonly atMs: number; readonly latency: readonly number[]; readonly firstToken: readonly number[] };

const EMPTY: Seen = { atMs: 0, latency: [], firstToken: [] };
const LIST_MAX = 10;
const TTL_MS = 3_600_000;

const keepOldest = (list: readonly number[], value: number): readonly number[] => [
  ...list.slice(0, LIST_MAX - 1),
  value,
];

function meanOf(seen: Seen | undefined, stream: boolean, nowMs: number): number {
  if (seen === undefined || nowMs - seen.atMs >= TTL_MS) return 0;
  const list = stream && seen.firstToken.length > 0 ? seen.firstToken : seen.latency;
  return list.length === 0 ? 0 : list.reduce((sum, value) => sum + value, 0) / list.length;
}

function anyOf(open: readonly ModelId[], draws: Draws): ModelId {
  const id = open[Math.floor(draws.uniform() * open.length)];
  if (id === undefined) throw new Error('no model of the policy serves this class');
  return id;
}
