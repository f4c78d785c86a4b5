import type { ModelClass, Task } from '../core/classes.ts';
import type { ClientPolicy } from '../core/client-policy.ts';
import type { RequestFacts } from '../core/request.ts';
import { createDraws, type Draws } from './draws.ts';

/** A description of a day's traffic; see `workload-file.ts` for its YAML form. Times of day in minutes, durations in ms. */
export type WorkloadPlan = {
  readonly name: string;
  /** Time of day at which the simulation begins. */
  readonly startMinute: number;
  readonly durationMs: number;
  /** Shape of the Gamma distribution of gaps: 1 is Poisson, below 1 is burstier. */
  readonly burstiness: number;
  /** Rate over the day: 1 at the peak minute, `low` twelve hours from it, a cosine between. */
  readonly day: { readonly peakMinute: number; readonly low: number };
  readonly streams: readonly ArrivalStream[];
  readonly batch: BatchPlan | undefined;
};

/** Log-normal length in tokens. */
export type LengthPlan = { readonly median: number; readonly sigma: number };

/** What a class asks: lengths, and the mix of its tasks. */
export type RequestPlan = {
  readonly prompt: LengthPlan;
  readonly output: LengthPlan;
  readonly tasks: readonly TaskShare[];
};

/** A task's weight in its class, and how long its answers are against the class's. */
export type TaskShare = { readonly task: Task; readonly share: number; readonly length: number };

/** Requests of one class over the day. */
export type ArrivalStream = RequestPlan & {
  readonly class: Exclude<ModelClass, 'batch'>;
  readonly perHour: number;
  readonly stream: boolean;
};

/** Items that all arrive at once and may take until a deadline. */
export type BatchPlan = RequestPlan & {
  readonly items: number;
  readonly arrivesMinute: number;
  readonly deadlineMinute: number;
};

/** One request of a simulated day. What only the world knows (`outputTokens`, noise) is never shown to a router. */
export type SimulatedRequest = {
  readonly index: number;
  /** ms since the day's start. */
  readonly atMs: number;
  readonly class: ModelClass;
  readonly task: Task;
  readonly stream: boolean;
  readonly promptTokens: number;
  /** Characters of the prompt: what a gateway sees before anybody has counted tokens. */
  readonly promptChars: number;
  readonly outputTokens: number;
  /** Factors on the time of prefill and decode. Of the request and not of the run, so that all routers meet the same luck. */
  readonly noise: { readonly prefill: number; readonly decode: number };
  /** Uniform in [0, 1): the request's own chance, for exploration. */
  readonly draw: number;
  /** There for a request of the past: what is known of it in place of what a plan would make up. */
  readonly recorded?: { readonly facts: RequestFacts; readonly client: ClientPolicy | undefined };
};

/** Spread of service times around their model: what repeated runs on one board show (CV 3 to 8 %). */
const NOISE_SIGMA = 0.08;
/** Characters per token differ by text; the gateway's guess of 3.6 is right on average. */
const CHARS_PER_TOKEN = 3.6;
const CHARS_SIGMA = 0.1;
const TEMPLATE_TOKENS = 5;
const TOKENS_MAX = 4_000;

/** Length of the part of a day, ms since its start, until a time of day comes for the first time. */
export const untilMinuteMs = (plan: Pick<WorkloadPlan, 'startMinute'>, minute: number): number =>
  ((minute - plan.startMinute + MINUTES_PER_DAY) % MINUTES_PER_DAY) * 60_000;

const MINUTES_PER_DAY = 1_440;

/**
 * The requests of one day, by time. The same plan, load and seed give the same day. `load` multiplies the online rates;
 * batch items stay as many as they are.
 */
export function generateRequests(plan: WorkloadPlan, load: number, seed: number): readonly SimulatedRequest[] {
  const requests: Omit<SimulatedRequest, 'index'>[] = [];
  for (const stream of plan.streams) {
    const draws = createDraws(seed, `arrivals ${stream.class}`);
    for (const atMs of arrivalTimes(plan, stream.perHour * load, draws)) {
      requests.push(requestOf(stream, { atMs, class: stream.class, stream: stream.stream }, draws));
    }
  }
  if (plan.batch !== undefined) {
    const draws = createDraws(seed, 'batch');
    const atMs = untilMinuteMs(plan, plan.batch.arrivesMinute);
    for (let item = 0; item < plan.batch.items && atMs < plan.durationMs; item += 1) {
      requests.push(requestOf(plan.batch, { atMs, class: 'batch', stream: false }, draws));
    }
  }
  return requests.sort((a, b) => a.atMs - b.atMs).map((request, index) => ({ ...request, index }));
}

// A renewal process at the peak rate, thinned to the rate of the hour (Lewis and Shedler 1979).
function arrivalTimes(plan: WorkloadPlan, perHour: number, draws: Draws): number[] {
  const times: number[] = [];
  if (!(perHour > 0)) return times;
  const gapMs = 3_600_000 / perHour;
  for (let atMs = gapMs * draws.gamma(plan.burstiness); atMs < plan.durationMs; ) {
    if (draws.uniform() < rateAt(plan, atMs)) times.push(atMs);
    atMs += gapMs * draws.gamma(plan.burstiness);
  }
  return times;
}

/** Share of the peak rate, `low` to 1, at a time since the day's start. */
export function rateAt({ startMinute, day }: Pick<WorkloadPlan, 'startMinute' | 'day'>, atMs: number): number {
  const angle = (2 * Math.PI * (startMinute + atMs / 60_000 - day.peakMinute)) / MINUTES_PER_DAY;
  return (1 + day.low) / 2 + ((1 - day.low) / 2) * Math.cos(angle);
}

function requestOf(
  plan: RequestPlan,
  kind: Pick<SimulatedRequest, 'atMs' | 'class' | 'stream'>,
  draws: Draws,
): Omit<SimulatedRequest, 'index'> {
  const { task, length } = taskOf(plan.tasks, draws.uniform());
  const promptTokens = tokens(draws.logNormal(plan.prompt.median, plan.prompt.sigma));
  const outputTokens = tokens(draws.logNormal(plan.output.median * length, plan.output.sigma));
  const text = Math.max(1, promptTokens - TEMPLATE_TOKENS);
  return {
    ...kind,
    task,
    promptTokens,
    outputTokens,
    promptChars: Math.max(1, Math.round(draws.logNormal(text * CHARS_PER_TOKEN, CHARS_SIGMA))),
    noise: { prefill: draws.logNormal(1, NOISE_SIGMA), decode: draws.logNormal(1, NOISE_SIGMA) },
    draw: draws.uniform(),
  };
}

const tokens = (length: number): number => Math.min(TOKENS_MAX, Math.max(1, Math.round(length)));

function taskOf(tasks: readonly TaskShare[], draw: number): TaskShare {
  const total = tasks.reduce((sum, { share }) => sum + share, 0);
  let left = draw * total;
  for (const entry of tasks) {
    left -= entry.share;
    if (left < 0) return entry;
  }
  return tasks.at(-1) ?? { task: 'chat', share: 1, length: 1 };
}
