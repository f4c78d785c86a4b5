import { describe, expect, it } from 'vitest';
import type { TargetName } from '../../scripts/gateway-bench/arguments.ts';
import type { LoadMeasurement, Sample } from '../../scripts/gateway-bench/rounds.ts';
import { summarize } from '../../scripts/gateway-bench/summary.ts';

const sample = (measurement: LoadMeasurement, target: TargetName, round: number, value: number): Sample => ({
  measurement,
  target,
  round,
  value,
  p99Ms: value,
  cpuUsPerRequest: 40,
});

/** One sample per target and round; a row of numbers is one round: direct, relay, portkey, gateway. */
const rounds = (measurement: LoadMeasurement, values: readonly (readonly number[])[]): readonly Sample[] =>
  values.flatMap(([direct = 0, relay = 0, portkey = 0, gateway = 0], index) => [
    sample(measurement, 'direct', index + 1, direct),
    sample(measurement, 'relay', index + 1, relay),
    sample(measurement, 'portkey', index + 1, portkey),
    sample(measurement, 'gateway', index + 1, gateway),
  ]);

describe('summarize', () => {
  it('compares inside a round, so a machine that slows down for one round changes no ratio', () => {
    const [row] = summarize({
      samples: rounds('throughput', [
        [100_000, 20_000, 1000, 10_000],
        [10_000, 2000, 100, 1000],
        [100_000, 20_000, 1000, 10_000],
      ]),
    });
    expect(row?.compared).toEqual({ overPortkey: 10, overRelay: 0.5 });
    expect(row?.verdict).toBe('meets');
  });

  it('takes the upstream away from a latency before it compares', () => {
    const [row] = summarize({ samples: rounds('latency', [[0.5, 0.6, 1.4, 0.75]]) });
    expect(row?.compared).toMatchObject({ addedMs: 0.25 });
    expect(row?.compared.timesLessThanPortkey).toBeCloseTo(3.6);
    expect(row?.verdict).toBe('meets');
  });

  it.each([
    ['a latency that adds too much', 'latency', [0.02, 0.1, 9, 0.38]],
    ['a latency that adds little but not three times less than the package', 'latency', [0.02, 0.1, 0.9, 0.36]],
    ['whole replies below 0.4 of the relay', 'throughput', [0, 10_000, 100, 3999]],
    ['whole replies below six times the package', 'throughput', [0, 10_000, 1000, 5999]],
    ['streams below half of the relay', 'streams', [0, 10_000, 10, 4999]],
  ] as const)('%s miss the target', (_, measurement, values) => {
    expect(summarize({ samples: rounds(measurement, [values]) })[0]?.verdict).toBe('misses');
  });

  it('passes nothing that was only half measured', () => {
    const samples = rounds('throughput', [[0, 10_000, 100, 9000]]).filter(({ target }) => target !== 'portkey');
    expect(summarize({ samples })[0]?.verdict).toBe('not measured');
  });

  it('calls memory flat when what comes after 30,000 requests adds at most a twentieth', () => {
    const memory = (last: number) => ({
      points: [
        { requests: 5000, residentMb: 90 },
        { requests: 10_000, residentMb: 90 },
        { requests: 30_000, residentMb: 100 },
        { requests: 60_000, residentMb: last },
      ],
    });
    expect(summarize({ samples: [], memory: memory(105) })[0]?.verdict).toBe('meets');
    expect(summarize({ samples: [], memory: memory(106) })[0]?.verdict).toBe('misses');
  });

  it('allows a model load 5 % and 50 ms over the load by hand', () => {
    const verdictOf = (gatewayMs: number) =>
      summarize({ samples: [], load: { model: 'm', rawMs: [1000], gatewayMs: [gatewayMs] } })[0]?.verdict;
    expect(verdictOf(1100)).toBe('meets');
    expect(verdictOf(1101)).toBe('misses');
  });

  it('gives no row to what was not asked for', () => {
    expect(summarize({ samples: [] })).toEqual([]);
  });
});
