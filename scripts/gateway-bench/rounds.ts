import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MeasurementName, TargetName } from './arguments.ts';
import { chatBody } from './check-target.ts';
import { type LoadPlan, runLoad } from './load-run.ts';
import type { Bench, Target } from './targets.ts';

/** Measurements made by the load generator on every target. */
export const LOAD_MEASUREMENTS = ['latency', 'throughput', 'streams', 'streams-per-token'] as const;
/** One of {@link LOAD_MEASUREMENTS}. */
export type LoadMeasurement = Extract<MeasurementName, (typeof LOAD_MEASUREMENTS)[number]>;

/** One figure of one target in one round. */
export type Sample = {
  readonly measurement: LoadMeasurement;
  readonly target: TargetName;
  readonly round: number;
  /** `latency`: p50 in ms; all others: replies per second. */
  readonly value: number;
  readonly p99Ms: number;
  readonly cpuUsPerRequest: number;
};

// Requests per run, so that a run takes about a second on the fast targets; the npm package is ten times slower, and
// its own runs are cut so that a round stays a round.
const REQUESTS: Readonly<Record<LoadMeasurement, Readonly<Record<TargetName, number>>>> = {
  latency: { direct: 3000, relay: 3000, gateway: 3000, portkey: 1500 },
  throughput: { direct: 15_000, relay: 15_000, gateway: 15_000, portkey: 2000 },
  streams: { direct: 8000, relay: 8000, gateway: 8000, portkey: 1000 },
  'streams-per-token': { direct: 3000, relay: 3000, gateway: 3000, portkey: 1000 },
};

/** What the rounds need. */
export type RoundsPlan = {
  readonly bench: Bench;
  readonly targets: readonly Target[];
  readonly measurements: readonly LoadMeasurement[];
  readonly rounds: number;
  readonly quick: boolean;
  readonly onProgress: (line: string) => void;
};

/**
 * Runs every measurement on every target in turn, A B C D A B C D …: a machine that slows down half-way slows all of
 * them, so that ratios inside one round hold even where absolute figures do not.
 */
export async function runRounds(plan: RoundsPlan): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const bodies = await writeBodies(plan.bench.folder);
  const run = (measurement: LoadMeasurement, target: Target, share: number) => {
    const requests = Math.ceil((REQUESTS[measurement][target.name] * share) / (plan.quick ? 5 : 1));
    const load: LoadPlan = {
      connections: measurement === 'latency' ? 1 : 16,
      requests,
      warmup: Math.ceil(requests / 20),
      bodyFile: bodies[measurement],
    };
    return runLoad(plan.bench, target, load);
  };
  for (const measurement of plan.measurements) {
    // Not counted: the first thousands of requests run while V8 still compiles what they need.
    for (const target of plan.targets) await run(measurement, target, 0.5);
    for (let round = 1; round <= plan.rounds; round += 1) {
      plan.onProgress(`${measurement}: round ${round} of ${plan.rounds}`);
      for (const target of plan.targets) {
        const figures = await run(measurement, target, 1);
        samples.push({
          measurement,
          target: target.name,
          round,
          value: measurement === 'latency' ? figures.latencyUs.p50 / 1000 : figures.requestsPerSec,
          p99Ms: figures.latencyUs.p99 / 1000,
          cpuUsPerRequest: figures.cpuUsPerRequest,
        });
      }
    }
  }
  return samples;
}

async function writeBodies(folder: string): Promise<Readonly<Record<LoadMeasurement, string>>> {
  const write = async (name: string, body: string) => {
    const file = join(folder, name);
    await writeFile(file, body);
    return file;
  };
  const whole = await write('whole.json', chatBody());
  return {
    latency: whole,
    throughput: whole,
    // One write for the whole stream: the upstream is no limit, so the target's own cost shows (see upstream.c).
    streams: await write('stream.json', chatBody({ stream: true, user: 'one-write' })),
    'streams-per-token': await write('stream-per-token.json', chatBody({ stream: true })),
  };
}
