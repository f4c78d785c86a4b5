import { Command, CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { addTuneOptions, narrowedAxes, type TuneCommandOptions } from '../../src/commands/tune-options.ts';

const GROUPS = { all: [0, 1, 2, 3, 4, 5, 6, 7], big: [4, 5, 6, 7], little: [0, 1, 2, 3] };
const ALIKE = { all: [0, 1], big: undefined, little: undefined };

function read(...args: readonly string[]): TuneCommandOptions {
  const command = addTuneOptions(new Command('tune')).argument('[model]').exitOverride();
  command.configureOutput({ writeErr: () => {} });
  command.parse([...args], { from: 'user' });
  return command.opts();
}

describe('options of sluice tune', () => {
  it('narrow the axes', () => {
    const options = read(
      ...['--threads', '4,6', '--affinity', 'all,big,0-1+6', '--flash-attention', 'on', '--kv', 'f16,q8_0/f16'],
      ...['--batch', '64,2048/512', '--load-mode', 'mmap,mlock', '--embed-flash', 'off', '--context', '512'],
    );
    expect(narrowedAxes(options, GROUPS)).toEqual({
      threads: [4, 6],
      affinity: [GROUPS.all, GROUPS.big, [0, 1, 6]],
      flashAttention: ['on'],
      kv: [
        { k: 'f16', v: 'f16' },
        { k: 'q8_0', v: 'f16' },
      ],
      batch: [
        { batch: 64, ubatch: 64 },
        { batch: 2048, ubatch: 512 },
      ],
      loadMode: ['mmap', 'mlock'],
      embedFlash: [false],
      context: [512],
    });
    expect(narrowedAxes(read(), GROUPS)).toEqual({});
  });

  it('have units', () => {
    expect(read('--memory', '6GB', '--budget', '20m', '--settle', '0')).toMatchObject({
      memory: 6e9,
      budget: 1_200_000,
      settle: 0,
    });
  });

  it.each([
    ['--threads', '4,,6', 'expected values separated by commas'],
    ['--threads', '0', '0 is no whole number from 1 on'],
    ['--kv', 'q9', 'q9: expected a type or KEYS/VALUES of f32, f16'],
    ['--batch', '64/128', '64/128: expected BATCH or BATCH/UBATCH, the latter not larger'],
    ['--load-mode', 'disk', 'disk is none of mmap, none, mlock'],
    ['--memory', 'much', 'much'],
    ['--budget', '20', '20'],
  ])('%s %s is refused with a reason', (option, value, reason) => {
    expect(() => read(option, value)).toThrow(CommanderError);
    expect(() => read(option, value)).toThrow(reason);
  });

  it('name CPUs that this machine has', () => {
    expect(() => narrowedAxes(read('--affinity', '0-3'), ALIKE)).toThrow(
      '--affinity 0-3: this machine has no CPU 2; it has 0, 1',
    );
    expect(() => narrowedAxes(read('--affinity', 'big'), ALIKE)).toThrow('the CPUs of this machine have one speed');
    expect(() => narrowedAxes(read('--affinity', 'fast'), ALIKE)).toThrow(
      'expected all, big, little, or CPUs like 0-3',
    );
  });
});
