/**
 * Measures what the gateway costs, and holds it against the project's targets. `--help` says how to run it.
 *
 *   compile upstream and load generator → start upstream, relay, npm package, gateway → check that each answers right
 *   → rounds of load, interleaved → start, memory, decide, model load → table, JSON, Markdown
 *
 * Everything it starts is stopped by pid and its folder removed, also on Ctrl-C.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/core/clock.ts';
import { GatewayError } from '../src/core/errors.ts';
import { packageRoot } from '../src/core/package-root.ts';
import { type BenchArguments, HELP, parseArguments, TARGETS, type TargetName } from './gateway-bench/arguments.ts';
import { checkTarget } from './gateway-bench/check-target.ts';
import { createChildren } from './gateway-bench/children.ts';
import { measureDecide } from './gateway-bench/decide-speed.ts';
import { measureMemory } from './gateway-bench/gateway-memory.ts';
import { measureModelLoad } from './gateway-bench/model-load.ts';
import { compilePrograms } from './gateway-bench/programs.ts';
import {
  type BenchResult,
  describeRun,
  loadAverage,
  renderMarkdown,
  writeResult,
} from './gateway-bench/result-file.ts';
import { LOAD_MEASUREMENTS, runRounds, type Sample } from './gateway-bench/rounds.ts';
import { type Measured, summarize } from './gateway-bench/summary.ts';
import {
  type Bench,
  startGatewayTarget,
  startPortkey,
  startRelay,
  startUpstream,
  type Target,
} from './gateway-bench/targets.ts';

type Run = Extract<BenchArguments, { kind: 'run' }>;

/** Above this load average before the run, neighbours take a noticeable part of a small machine. */
const BUSY = 0.5;

const progress = (line: string): void => console.error(line);

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const read = parseArguments(process.argv.slice(2), join(packageRoot(), 'bench-results/gateway'));
    if (read.kind === 'help') {
      console.log(HELP);
      return 0;
    }
    return await benchmark(read);
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    console.error(`bench-gateway: ${thrown.message}`);
    return thrown.code === 'usage' ? 2 : 1;
  }
}

async function benchmark(run: Run): Promise<number> {
  requireBuild(run);
  const loadAverageBefore = loadAverage();
  if (loadAverageBefore > BUSY)
    progress(`the machine is busy (load ${loadAverageBefore.toFixed(1)}): trust ratios only`);
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-gateway-'));
  const children = createChildren(folder, systemClock);
  const interruption = new AbortController();
  const interrupt = () => {
    interruption.abort();
    void children.stopAll(); // whoever waits for one of them then fails, and the way out is the same for all
  };
  // `on`, not `once`: execa's own listener ends the process at once when it finds no other one left.
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    const programs = await compilePrograms(folder);
    const bench = { folder, children, programs, clock: systemClock, signal: interruption.signal };
    const measured = await measureAll(bench, run);
    const result = await describeRun({ ...run, rows: summarize(measured), measured, loadAverageBefore }, systemClock);
    await publish(result, run);
    return result.rows.some(({ verdict }) => verdict === 'misses') ? 1 : 0;
  } catch (thrown) {
    if (interruption.signal.aborted) return 130;
    throw thrown;
  } finally {
    await children.stopAll();
    await rm(folder, { recursive: true, force: true });
  }
}

async function publish(result: BenchResult, run: Run): Promise<void> {
  console.log(run.json ? JSON.stringify(result, null, 1) : renderMarkdown(result));
  if (run.outDir !== undefined) progress(`written: ${await writeResult(result, run.outDir)}`);
}

function requireBuild({ targets }: Run): void {
  if (!targets.includes('gateway') || existsSync(join(packageRoot(), 'dist/src/cli.js'))) return;
  const others = TARGETS.filter((name) => name !== 'gateway').join(',');
  throw new GatewayError('usage', `the gateway is not built: run "npm run build" first, or --targets ${others}`);
}

async function measureAll(bench: Bench, run: Run): Promise<Measured> {
  const wants = (name: Run['measurements'][number]) => run.measurements.includes(name);
  const withGateway = run.targets.includes('gateway');
  // Start and memory come first: later they would share the processors with idle, but not silent, servers.
  const startMs = withGateway && wants('start') ? await measureStarts(bench, run.rounds) : undefined;
  const decide = wants('decide') ? measureDecide(systemClock, run.quick) : undefined;
  if (withGateway && wants('memory')) progress('memory');
  const memory = withGateway && wants('memory') ? await measureMemory(bench, run.quick) : undefined;
  const load = withGateway && wants('load') ? await measureModelLoad(bench, run.rounds, progress) : undefined;
  return { samples: await measureLoad(bench, run), startMs, memory, decide, load };
}

async function measureStarts(bench: Bench, rounds: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    progress(`start: round ${round} of ${rounds}`);
    const { child, startMs } = await startGatewayTarget(bench, `start-${round}`);
    times.push(startMs);
    await bench.children.stop(child);
  }
  return times;
}

async function measureLoad(bench: Bench, run: Run): Promise<readonly Sample[]> {
  const measurements = LOAD_MEASUREMENTS.filter((name) => run.measurements.includes(name));
  if (measurements.length === 0) return [];
  const targets = await startTargets(bench, run.targets);
  const { rounds, quick } = run;
  return runRounds({ bench, targets, measurements, rounds, quick, onProgress: progress });
}

async function startTargets(bench: Bench, names: readonly TargetName[]): Promise<readonly Target[]> {
  progress('starting the targets');
  const upstream = await startUpstream(bench);
  const starters: Readonly<Record<TargetName, () => Promise<Target>>> = {
    direct: async () => upstream,
    relay: () => startRelay(bench, upstream),
    portkey: () => startPortkey(bench, upstream),
    gateway: async () => (await startGatewayTarget(bench)).target,
  };
  const targets: Target[] = [];
  for (const name of names) {
    const target = await starters[name]();
    await checkTarget(target);
    targets.push(target);
  }
  return targets;
}
