import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { ClientPolicy } from '../core/policy.ts';

/** Keeps clients within `requests_per_minute` and `concurrent` of the policy. */
export interface ClientLimits {
  /**
   * Counts a request in, and returns what counts it out again. Throws `queue_full` with the time to wait when a
   * limit is reached. An anonymous caller has no limits.
   */
  enter(client: ClientPolicy | undefined): () => void;
}

type Usage = {
  running: number /** Tokens left in the bucket; refilled evenly over the minute. */;
  left: number;
  atMs: number;
};

const MINUTE_MS = 60_000;

/** Token bucket per client: a minute's worth may come at once, then one every 60/limit seconds. */
export function createClientLimits(clock: Clock): ClientLimits {
  const usages = new Map<string, Usage>();
  const nothing = () => undefined;
  return {
    enter: (client) => {
      if (client === undefined || (client.requestsPerMinute === undefined && client.concurrent === undefined))
        return nothing;
      const usage = usageOf(usages, client, clock.monotonicMs());
      checkConcurrent(client, usage);
      checkRate(client, usage);
      usage.running += 1;
      return () => {
        usage.running -= 1;
      };
    },
  };
}

function usageOf(usages: Map<string, Usage>, client: ClientPolicy, nowMs: number): Usage {
  const limit = client.requestsPerMinute ?? 0;
  const usage = usages.get(client.name) ?? { running: 0, left: limit, atMs: nowMs };
  usage.left = Math.min(limit, usage.left + ((nowMs - usage.atMs) * limit) / MINUTE_MS);
  usage.atMs = nowMs;
  usages.set(client.name, usage);
  return usage;
}

function checkConcurrent(client: ClientPolicy, usage: Usage): void {
  if (client.concurrent === undefined || usage.running < client.concurrent) return;
  const message = `client ${client.name} has ${usage.running} requests running; its limit is ${client.concurrent} (clients[].concurrent)`;
  throw new GatewayError('queue_full', message, { retryAfterMs: 1000, shouldRetry: true });
}

function checkRate(client: ClientPolicy, usage: Usage): void {
  const limit = client.requestsPerMinute;
  if (limit === undefined) return;
  if (usage.left < 1) {
    const message = `client ${client.name} has used its ${limit} requests per minute (clients[].requests_per_minute)`;
    throw new GatewayError('queue_full', message, {
      retryAfterMs: ((1 - usage.left) * MINUTE_MS) / limit,
      shouldRetry: true,
    });
  }
  usage.left -= 1;
}
