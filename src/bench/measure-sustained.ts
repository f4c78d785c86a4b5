import { median } from '../core/stats.ts';
import type { BenchLease } from './bench-target.ts';
import { watched } from './disturbance.ts';
import { readMachineState } from './fingerprint.ts';
import type { ServedModel } from './measure-round.ts';
import type { TimedRequest } from './samples.ts';
import { readAnswer } from './served-ask.ts';
import { planOf } from './served-plan.ts';

/** A sustained run is shown as so many stretches: enough to see it bend, each long enough for several requests. */
const STRETCHES = 30;
/** Characters per token of the run's prose, near enough for a prompt whose exact length does not matter. */
const CHARS_PER_TOKEN = 4;

/**
 * Generates without a pause for `sustainedMs` and notes the rates with temperature and clock as it goes: boards slow down
 * after five to ten minutes of full load (board facts, section 4). A run that was broken off goes on where it was; the
 * stretch after the break is flagged, because the machine has cooled. Rejects as a round does.
 */
export async function measureSustained(run: ServedModel, sustainedMs: number): Promise<void> {
  const before = run.journal.samples(run.model).filter((sample) => sample.kind === 'sustained');
  const offsetMs = before.at(-1)?.atMs ?? 0;
  if (offsetMs >= sustainedMs) return;
  await run.target.load(run.model, run.signal);
  const lease = await run.target.acquire(run.model, run.signal);
  let how: Parameters<BenchLease['release']>[0] = 'failed';
  try {
    const startedMs = run.clock.monotonicMs();
    for (let stretch = before.length; ; stretch += 1) {
      const elapsedMs = offsetMs + run.clock.monotonicMs() - startedMs;
      if (elapsedMs >= sustainedMs) break;
      const isAfterBreak = stretch === before.length && stretch > 0;
      const untilMs = Math.min(sustainedMs, elapsedMs + sustainedMs / STRETCHES) - elapsedMs;
      const sample = await oneStretch(run, lease, untilMs);
      const atMs = offsetMs + run.clock.monotonicMs() - startedMs;
      const flags = isAfterBreak ? [...sample.flags, 'the run was broken off before this'] : sample.flags;
      run.journal.add(run.model, `sustained ${stretch}`, [{ ...sample, round: stretch, atMs, flags }]);
    }
    how = 'ok';
  } catch (error) {
    if (run.signal.aborted) how = 'aborted';
    throw error;
  } finally {
    await lease.release(how);
    await run.target.unload(run.model);
  }
}

async function oneStretch(run: ServedModel, lease: BenchLease, durationMs: number) {
  const plan = planOf(run.contextTokens);
  const chars = plan.promptTokens.short * CHARS_PER_TOKEN;
  const pids = () => [run.target.views().get(run.model)?.pid ?? []].flat();
  const place = run.sysroot === undefined ? {} : { sysroot: run.sysroot };
  const { value: answers, flags } = await watched(
    { clock: run.clock, usesNpu: run.usesNpu, pids, ...place },
    async () => {
      const startedMs = run.clock.monotonicMs();
      const found: TimedRequest[] = [];
      while (found.length === 0 || run.clock.monotonicMs() - startedMs < durationMs) {
        found.push((await readAnswer(run, lease, { chars, outputTokens: plan.outputTokens })).timed);
      }
      return found;
    },
  );
  const state = readMachineState(run.clock.nowMs(), run.sysroot);
  const temperatures = state.temperatures.map(({ celsius }) => celsius);
  const clocks = state.frequencies.flatMap(({ currentKhz }) => currentKhz ?? []);
  return {
    kind: 'sustained' as const,
    flags,
    prefillTokensPerSec: median(answers.flatMap(prefillRate)),
    decodeTokensPerSec: median(answers.flatMap(decodeRate)) ?? 0,
    celsius: temperatures.length === 0 ? undefined : Math.max(...temperatures),
    cpuKhz: clocks.length === 0 ? undefined : Math.max(...clocks),
  };
}

const prefillRate = ({ promptTokens, firstMs }: TimedRequest): readonly number[] =>
  firstMs === undefined || firstMs <= 0 ? [] : [(promptTokens * 1000) / firstMs];

const decodeRate = ({ firstMs, lastMs, outputTokens }: TimedRequest): readonly number[] =>
  firstMs === undefined || lastMs === undefined || lastMs <= firstMs
    ? []
    : [((outputTokens - 1) * 1000) / (lastMs - firstMs)];
