import { execa } from 'execa';
import { GatewayError } from '../../src/core/errors.ts';
import { cpuUs } from './process-figures.ts';
import type { Bench, Target } from './targets.ts';

/** What one run of the load generator found. */
export type LoadFigures = {
  readonly requestsPerSec: number;
  /** Request written to last byte of the reply, µs. */
  readonly latencyUs: { readonly p50: number; readonly p99: number };
  /** CPU the target's process used per request, µs; what it costs whatever the neighbours do. */
  readonly cpuUsPerRequest: number;
};

/** One run: how many keep-alive connections, how many requests, and the file with the body. */
export type LoadPlan = {
  readonly connections: number;
  readonly requests: number;
  readonly warmup: number;
  readonly bodyFile: string;
};

/** Runs the C load generator on a target. Throws `runtime_failed` when any reply was not a whole 200. */
export async function runLoad({ programs, signal }: Bench, target: Target, plan: LoadPlan): Promise<LoadFigures> {
  const flags = {
    port: target.port,
    connections: plan.connections,
    requests: plan.requests,
    warmup: plan.warmup,
    body: plan.bodyFile,
  };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  for (const [name, value] of Object.entries(target.headers)) args.push('--header', `${name}: ${value}`);
  const cpuBeforeUs = cpuUs(target.pid);
  const result = await execa(programs.load, args, { reject: false, cancelSignal: signal });
  const cpuUsed = cpuUs(target.pid) - cpuBeforeUs;
  if (result.failed) {
    const words = result.stdout === '' ? result.stderr : result.stdout;
    throw new GatewayError('runtime_failed', `load on ${target.name} failed, so it has no figures: ${words}`);
  }
  const figures = JSON.parse(result.stdout) as Omit<LoadFigures, 'cpuUsPerRequest'>;
  return { ...figures, cpuUsPerRequest: cpuUsed / (plan.requests + plan.warmup) };
}
