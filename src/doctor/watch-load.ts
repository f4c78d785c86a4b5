import { spawn } from 'node:child_process';
import type { Clock } from '../core/clock.ts';
import { formatDurationMs } from '../core/format.ts';
import { readThrottles, readZones } from './checks/heat.ts';
import { type Finding, fine, note, warning } from './finding.ts';
import { clusterName, type Files } from './host.ts';

/** The machine at one moment of a load. */
export type LoadSample = {
  /** Since the load began, ms. */
  readonly atMs: number;
  readonly hottestCelsius: number | undefined;
  /** Clock of each CPU cluster now, kHz, by its name. */
  readonly clusters: Readonly<Record<string, number>>;
  readonly throttles: readonly string[];
};

/** A CPU load and where to look. */
export type LoadOptions = {
  readonly files: Files;
  readonly clock: Clock;
  readonly durationMs: number;
  /** Busy children, one per core. */
  readonly cores: number;
  /** Ends the load early; its children are gone when the promise settles. */
  readonly signal: AbortSignal;
  readonly onSample?: (sample: LoadSample) => void;
};

const SAMPLE_EVERY_MS = 1_000;

/**
 * Keeps every core busy and looks once a second how clocks and temperatures take it. Resolves with what was seen, also
 * when it was ended early.
 */
export async function watchLoad(options: LoadOptions): Promise<readonly LoadSample[]> {
  const { files, clock, durationMs, signal } = options;
  const startedMs = clock.monotonicMs();
  const samples: LoadSample[] = [];
  const look = () => {
    const sample = takeSample(files, clock.monotonicMs() - startedMs);
    samples.push(sample);
    options.onSample?.(sample);
  };
  look();
  const stop = startChildren(options.cores, durationMs);
  try {
    for (;;) {
      const leftMs = durationMs - (clock.monotonicMs() - startedMs);
      if (leftMs <= 0) break;
      await clock.sleep(Math.min(SAMPLE_EVERY_MS, leftMs), signal);
      look();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await stop();
  }
  return samples;
}

// Multiplies over 4 MB, so that caches and memory work as well; ends by itself when its parent is gone or its time over.
const BUSY = `
const seconds = Number(process.argv[1]) + 5, parent = process.ppid, cells = new Float32Array(1 << 20).fill(1.0001);
while (process.uptime() < seconds && process.ppid === parent)
  for (let i = 1; i < cells.length; i++) cells[i] = cells[i] * 0.999 + cells[i - 1] * 0.001;
`;

/** Starts the busy children; the answer stops them and resolves when all have ended. */
function startChildren(cores: number, durationMs: number): () => Promise<void> {
  const children = Array.from({ length: cores }, () => {
    const child = spawn(process.execPath, ['-e', BUSY, String(Math.ceil(durationMs / 1000))], { stdio: 'ignore' });
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    return { child, ended };
  });
  return async () => {
    for (const { child } of children) child.kill('SIGKILL');
    await Promise.all(children.map(({ ended }) => ended));
  };
}

/** Looks now. */
export function takeSample(files: Files, atMs: number): LoadSample {
  const folder = 'sys/devices/system/cpu/cpufreq';
  const clusters = files.names(folder, /^policy\d+$/).flatMap((policy) => {
    const khz = files.number(`${folder}/${policy}/scaling_cur_freq`);
    return khz === undefined ? [] : [[clusterName(files, policy), khz] as const];
  });
  const zones = readZones(files).map(({ celsius }) => celsius);
  return {
    atMs,
    hottestCelsius: zones.length === 0 ? undefined : Math.max(...zones),
    clusters: Object.fromEntries(clusters),
    throttles: readThrottles(files),
  };
}

/** A clock that has fallen by more than this from its highest under load has been throttled. */
const FALLEN = 0.95;

/** What a load has shown. */
export function judgeLoad(
  samples: readonly LoadSample[],
  asked: { readonly durationMs: number; readonly cores: number },
): Finding {
  const title = 'under load';
  const last = samples.at(-1);
  const first = samples[0];
  const lastedMs = last?.atMs ?? 0;
  const early = lastedMs < asked.durationMs * 0.95 ? ' (ended early)' : '';
  const load = `${asked.cores} busy ${asked.cores === 1 ? 'core' : 'cores'} for ${formatDurationMs(lastedMs)}${early}`;
  const heats = samples.flatMap(({ hottestCelsius }) => hottestCelsius ?? []);
  const heat =
    first?.hottestCelsius === undefined || heats.length === 0
      ? undefined
      : `${first.hottestCelsius.toFixed(0)} to ${Math.max(...heats).toFixed(0)} °C`;
  const drops = clockDrops(samples);
  const throttled = samples.find(({ throttles }) => throttles.length > 0);
  const held = drops.length === 0 ? [] : [drops.join('; ')];
  const measured = [load, ...(heat === undefined ? [] : [heat]), ...held, ...(throttled?.throttles ?? [])].join('; ');
  if (drops.length > 0 || throttled !== undefined) {
    const atMs = throttled?.atMs ?? 0;
    const since = throttled === undefined ? '' : ` after ${formatDurationMs(atMs)}`;
    const why = `clocks went down${since}: every model slows down in proportion, and benchmarks of a cool board promise too much`;
    return warning(
      'load',
      { title, measured, why },
      'fit a heat sink with a fan; then measure with sluice bench --sustained',
    );
  }
  if (heat === undefined && Object.keys(first?.clusters ?? {}).length === 0) {
    const why = 'neither clocks nor temperatures can be read here, so nothing can be said of throttling';
    return note('load', { title, measured, why });
  }
  return fine('load', {
    title,
    measured,
    why: 'clocks were kept; boards without active cooling throttle after 5 to 10 minutes, so try --load 10m once',
  });
}

function clockDrops(samples: readonly LoadSample[]): readonly string[] {
  const names = Object.keys(samples[0]?.clusters ?? {});
  return names.flatMap((name) => {
    // The first look was before the load.
    const under = samples.slice(1).flatMap(({ clusters }) => clusters[name] ?? []);
    const [highest, lowest] = [Math.max(...under), Math.min(...under.slice(-5))];
    if (under.length < 2 || lowest >= highest * FALLEN) return [];
    return [`${name} fell from ${Math.round(highest / 1000)} to ${Math.round(lowest / 1000)} MHz`];
  });
}
