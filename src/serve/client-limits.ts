import type { ClientPolicy } from '../core/client-policy.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { RequestRecord } from '../core/events.ts';
import { formatDurationMs } from '../core/format.ts';
import type { ClientUsage } from './client-usage.ts';

/** Keeps clients within what the policy allows them: requests and tokens per minute, at a time, and per day. */
export interface ClientLimits {
  /**
   * Counts a request in, and returns what counts it out again. Throws `rate_limited` where a limit is reached, with the
   * time after which the same request is let in if the client sends nothing else. An anonymous caller has no limits.
   */
  enter(client: ClientPolicy | undefined, visit: Visit): () => void;
  /** A request has ended: what it really took replaces what was reserved for it. */
  finished(record: RequestRecord): void;
  /** Requests of a client that are under way. */
  running(client: string): number;
}

/** A request that wants in. */
export type Visit = {
  readonly requestId: string;
  /** What it is predicted to take, prompt and output. */
  readonly tokens: number;
  /** Predicted time until its end, ms. */
  readonly expectedMs: number;
};

/** Something that refills evenly, up to a minute's worth. */
type Bucket = { left: number; atMs: number };

type Running = { readonly requestId: string; readonly endsAtMs: number; reserved: number };

/**
 * `running` is an array: a hash table whose entries come and go keeps discarded tables alive, and a client runs few at a time.
 */
type ClientState = { readonly requests: Bucket; readonly tokens: Bucket; readonly running: Running[] };

/** Why a request must wait, and how long. */
type Obstacle = { readonly message: string; readonly waitMs: number };

const MINUTE_MS = 60_000;
/** What adding up fractions may lose, so that one who comes back on time is let in. */
const ROUNDING = 1e-6;
/** The least time to wait for a request that should have ended by now. */
const OVERDUE_MS = 1_000;

/** Nobody has asked yet. Days are counted by `usage`, so that they outlive the process. */
export function createClientLimits(clock: Clock, usage: ClientUsage): ClientLimits {
  const states = new Map<string, ClientState>();
  const nothing = () => undefined;
  return {
    enter: (client, visit) => {
      if (client === undefined) {
        usage.entered('anonymous');
        return nothing;
      }
      const nowMs = clock.monotonicMs();
      const state = stateOf(states, client, nowMs);
      const worst = longest(obstaclesOf({ client, state, usage, visit, nowMs, wallMs: clock.nowMs() }));
      if (worst !== undefined) {
        usage.turnedAway(client.name);
        throw refusal(worst);
      }
      usage.entered(client.name);
      const running = { requestId: visit.requestId, endsAtMs: nowMs + visit.expectedMs, reserved: visit.tokens };
      if (client.requestsPerMinute !== undefined) state.requests.left -= 1;
      if (client.tokensPerMinute !== undefined) state.tokens.left -= visit.tokens;
      state.running.push(running);
      return () => {
        const place = state.running.indexOf(running);
        if (place !== -1) state.running.splice(place, 1);
        // One that never ran took nothing.
        state.tokens.left += running.reserved;
        running.reserved = 0;
      };
    },
    finished: (record) => {
      const state = states.get(record.client);
      if (state === undefined) return;
      for (const running of state.running) if (running.requestId === record.requestId) settle(state, running, record);
    },
    running: (client) => states.get(client)?.running.length ?? 0,
  };
}

function settle(state: ClientState, running: Running, { actual, outcome, predicted }: RequestRecord): void {
  const { promptTokens = 0, outputTokens = 0 } = actual;
  // A run that was cut short is not told of in tokens, but its prompt was read.
  const read = outcome.kind === 'cancelled' ? (predicted?.promptTokens ?? 0) : 0;
  state.tokens.left += running.reserved - Math.max(promptTokens + outputTokens, read);
  running.reserved = 0;
}

function stateOf(states: Map<string, ClientState>, client: ClientPolicy, nowMs: number): ClientState {
  const { requestsPerMinute = 0, tokensPerMinute = 0 } = client;
  let state = states.get(client.name);
  if (state === undefined) {
    state = {
      requests: { left: requestsPerMinute, atMs: nowMs },
      tokens: { left: tokensPerMinute, atMs: nowMs },
      running: [],
    };
    states.set(client.name, state);
  }
  refill(state.requests, requestsPerMinute, nowMs);
  refill(state.tokens, tokensPerMinute, nowMs);
  return state;
}

function refill(bucket: Bucket, limit: number, nowMs: number): void {
  bucket.left = Math.min(limit, bucket.left + ((nowMs - bucket.atMs) * limit) / MINUTE_MS);
  bucket.atMs = nowMs;
}

type Seen = {
  readonly client: ClientPolicy;
  readonly state: ClientState;
  readonly usage: ClientUsage;
  readonly visit: Visit;
  readonly nowMs: number;
  readonly wallMs: number;
};

const obstaclesOf = (seen: Seen): readonly (Obstacle | undefined)[] => [
  tooManyAtATime(seen),
  tooManyAMinute(seen),
  tooManyTokens(seen),
  dayIsUsedUp(seen),
];

function tooManyAtATime({ client, state, nowMs }: Seen): Obstacle | undefined {
  const { concurrent } = client;
  if (concurrent === undefined || state.running.length < concurrent) return undefined;
  const firstEndMs = Math.min(...state.running.map(({ endsAtMs }) => endsAtMs));
  const message = `client ${client.name} has ${state.running.length} requests running; its limit is ${concurrent} (clients[].concurrent)`;
  return { message, waitMs: Math.max(OVERDUE_MS, firstEndMs - nowMs) };
}

function tooManyAMinute({ client, state }: Seen): Obstacle | undefined {
  const limit = client.requestsPerMinute;
  if (limit === undefined || state.requests.left >= 1 - ROUNDING) return undefined;
  const message = `client ${client.name} has used its ${limit} requests per minute (clients[].requests_per_minute)`;
  return { message, waitMs: ((1 - state.requests.left) * MINUTE_MS) / limit };
}

// One that wants more than a minute's worth is let in when nothing else of the minute is used up; the debt is paid later.
function tooManyTokens({ client, state, visit }: Seen): Obstacle | undefined {
  const limit = client.tokensPerMinute;
  const needed = Math.min(visit.tokens, limit ?? 0);
  if (limit === undefined || state.tokens.left >= needed - ROUNDING) return undefined;
  const left = Math.max(0, Math.floor(state.tokens.left));
  const message = `client ${client.name} has ${left} of its ${limit} tokens per minute left and this request takes about ${Math.round(visit.tokens)} (clients[].tokens_per_minute)`;
  return { message, waitMs: ((needed - state.tokens.left) * MINUTE_MS) / limit };
}

function dayIsUsedUp({ client, state, usage, wallMs }: Seen): Obstacle | undefined {
  const { requests, tokens } = client.daily ?? {};
  if (requests === undefined && tokens === undefined) return undefined;
  const today = usage.today(client.name);
  const reserved = state.running.reduce((sum, running) => sum + running.reserved, 0);
  const used = today.promptTokens + today.outputTokens + reserved;
  const waitMs = usage.day().endsAtMs - wallMs;
  if (requests !== undefined && today.requests >= requests) {
    return { message: `client ${client.name} has used its ${requests} requests of today (clients[].daily)`, waitMs };
  }
  if (tokens === undefined || used < tokens) return undefined;
  return { message: `client ${client.name} has used its ${tokens} tokens of today (clients[].daily)`, waitMs };
}

function longest(obstacles: readonly (Obstacle | undefined)[]): Obstacle | undefined {
  let worst: Obstacle | undefined;
  for (const obstacle of obstacles) {
    if (obstacle !== undefined && (worst === undefined || obstacle.waitMs > worst.waitMs)) worst = obstacle;
  }
  return worst;
}

function refusal({ message, waitMs }: Obstacle): GatewayError {
  return new GatewayError('rate_limited', `${message}; try again in ${formatDurationMs(waitMs)}`, {
    retryAfterMs: waitMs,
  });
}
