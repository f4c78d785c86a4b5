import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { createFiles } from '../../src/doctor/host.ts';
import { judgeLoad, type LoadSample, takeSample, watchLoad } from '../../src/doctor/watch-load.ts';
import { copyBoard } from '../helpers/board-copy.ts';

const asked = { durationMs: 4_000, cores: 8 };
const sample = (atMs: number, hottestCelsius: number, khz: number, throttles: readonly string[] = []): LoadSample => ({
  atMs,
  hottestCelsius,
  clusters: { 'CPUs 4-5': khz },
  throttles,
});

describe('judgeLoad', () => {
  it('is content with clocks that are kept, though they were low before the load', () => {
    const found = judgeLoad(
      [sample(0, 45, 408_000), sample(1000, 55, 2_352_000), sample(2000, 60, 2_352_000), sample(4000, 63, 2_352_000)],
      asked,
    );
    expect(found).toMatchObject({ severity: 'ok', measured: '8 busy cores for 4 s; 45 to 63 °C' });
  });

  it('names the clock that fell, and from when on', () => {
    const found = judgeLoad(
      [
        sample(0, 70, 2_352_000),
        sample(1000, 80, 2_352_000),
        sample(2000, 86, 1_800_000, ['thermal-cpufreq-1 at step 2 of 9']),
        sample(4000, 88, 1_416_000, ['thermal-cpufreq-1 at step 4 of 9']),
      ],
      asked,
    );
    expect(found.severity).toBe('warn');
    expect(found.measured).toContain('70 to 88 °C; CPUs 4-5 fell from 2352 to 1416 MHz');
    expect(found.why).toContain('after 2 s');
  });

  it('says where a load was ended early, and where nothing can be seen', () => {
    const blind = { atMs: 0, hottestCelsius: undefined, clusters: {}, throttles: [] };
    const found = judgeLoad([blind, { ...blind, atMs: 900 }], asked);
    expect(found).toMatchObject({ severity: 'info', measured: '8 busy cores for 900 ms (ended early)' });
    expect(judgeLoad([], asked).severity).toBe('info');
  });
});

describe('takeSample', () => {
  it('reads clocks, the hottest zone and what holds clocks down', async () => {
    const files = createFiles(await copyBoard('rk3588-throttling'));
    expect(takeSample(files, 5)).toMatchObject({
      atMs: 5,
      hottestCelsius: 86.3,
      clusters: { 'CPUs 0-3': 1_416_000, 'CPUs 4-5': 1_200_000 },
      throttles: expect.arrayContaining(['CPUs 4-5 capped at 1416 of 2352 MHz']),
    });
  });
});

describe('watchLoad', () => {
  it('looks before and during the load, and ends when it is told to', async () => {
    const stop = new AbortController();
    const samples = await watchLoad({
      files: createFiles(await copyBoard('rk3588-throttling')),
      clock: systemClock,
      durationMs: 60_000,
      cores: 1,
      signal: stop.signal,
      onSample: () => stop.abort(),
    });
    expect(samples).toHaveLength(1);
  });
});
