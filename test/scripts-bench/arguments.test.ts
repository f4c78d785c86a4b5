import { describe, expect, it } from 'vitest';
import { MEASUREMENTS, parseArguments, TARGETS } from '../../scripts/gateway-bench/arguments.ts';

describe('parseArguments', () => {
  it('measures everything in seven rounds and keeps the result when nothing is said', () => {
    expect(parseArguments([], '/results')).toEqual({
      kind: 'run',
      rounds: 7,
      quick: false,
      json: false,
      measurements: MEASUREMENTS,
      targets: TARGETS,
      outDir: '/results',
    });
  });

  it('keeps no result of a quick run unless a folder is named', () => {
    expect(parseArguments(['--quick'], '/results')).toMatchObject({ rounds: 2, outDir: undefined });
    expect(parseArguments(['--quick', '--out', '/here'], '/results')).toMatchObject({ outDir: '/here' });
  });

  it('keeps the order of the list whatever order the names are given in', () => {
    expect(parseArguments(['--only', 'memory, latency', '--targets', 'gateway,direct'], '/r')).toMatchObject({
      measurements: ['latency', 'memory'],
      targets: ['direct', 'gateway'],
    });
  });

  it.each([
    [['--only', 'speed'], '--only does not know "speed"'],
    [['--targets', 'direct,litellm'], '--targets does not know "litellm"'],
    [['--rounds', '0'], '--rounds takes a whole number from 1 to 1000, not 0'],
    [['--rounds', '2.5'], 'not 2.5'],
    [['--fast'], "Unknown option '--fast'"],
    [['latency'], 'see --help'],
  ])('%j is a usage error that says why', (words, message) => {
    expect(() => parseArguments(words, '/r')).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(message) }),
    );
  });

  it('asks for help before anything else', () => {
    expect(parseArguments(['--help', '--rounds', 'x'], '/r')).toEqual({ kind: 'help' });
  });
});
