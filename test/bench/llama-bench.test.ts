import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { llamaBenchCommand, parseLlamaBench } from '../../src/bench/llama-bench.ts';

const fixtures = join(import.meta.dirname, '../fixtures/llama-bench');
const help = readFileSync(join(fixtures, 'help-11669.txt'), 'utf8');
const olderHelp = help.replace(/^.*-lm, --load-mode.*$/m, '  -mmp, --mmap <0|1>   (default: 1)');
const winning = {
  program: 'llama-bench',
  taskset: 'taskset',
  help: olderHelp,
  file: '<model>.gguf',
  settings: {
    cpus: [0, 1, 2, 3, 4, 5, 6, 7],
    threads: 6,
    cacheTypeK: 'f16',
    cacheTypeV: 'f16',
    flashAttention: 'on' as const,
  },
  repetitions: 1,
  depths: [0],
};
const command = (given: Partial<Parameters<typeof llamaBenchCommand>[0]>) =>
  llamaBenchCommand({ ...winning, ...given }).join(' ');

describe('llamaBenchCommand', () => {
  test('is the winning command of the board, word for word', () => {
    expect(command({})).toBe(
      'taskset -c 0-7 llama-bench -m <model>.gguf -ngl 0 -t 6 -p 256 -n 16 -r 1 -b 2048 -ub 512 -ctk f16 -ctv f16 -fa 1 -mmp 1 --no-warmup -o json',
    );
  });

  test('a build that renamed -mmp gets -lm', () => {
    expect(command({ help })).toContain(' -lm mmap ');
    expect(command({ help, settings: { loadMode: 'mlock' } })).toContain(' -lm mlock ');
    expect(command({ settings: { loadMode: 'none' } })).toContain(' -mmp 0 ');
    expect(command({ help: '' })).not.toMatch(/-mmp|-lm/);
  });

  test('a machine without taskset uses the program’s own mask', () => {
    expect(command({ taskset: undefined })).toMatch(/^llama-bench .* -C 0xff --cpu-strict 1$/);
    expect(command({ taskset: undefined, settings: { cpus: [4, 5, 6, 7] } })).toContain('-C 0xf0 ');
  });

  test('settings that are not given are left to the program', () => {
    expect(command({ settings: {} })).toMatch(/^llama-bench -m /);
    expect(command({ settings: {} })).not.toContain(' -t ');
  });

  test('layers on a GPU, KV types and flash attention come from the settings', () => {
    const text = command({
      settings: { gpuLayers: 28, cacheTypeK: 'q8_0', cacheTypeV: 'q8_0', flashAttention: 'off' },
    });
    expect(text).toContain('-ngl 28');
    expect(text).toContain('-ctk q8_0 -ctv q8_0 -fa 0');
  });
});

describe('depths', () => {
  test('are passed to builds that know them, and never for the plain test', () => {
    expect(command({ help, depths: [0, 512] })).toContain(' -d 0,512 ');
    expect(command({ help: '', depths: [0, 512] })).not.toContain(' -d ');
    expect(command({ help })).not.toContain(' -d ');
  });
});

describe('parseLlamaBench', () => {
  const recorded = readFileSync(join(fixtures, 'tiny-11669.json'), 'utf8');

  test('reads rates and build of a recorded run', () => {
    const { samples, build } = parseLlamaBench(recorded);
    expect(samples).toMatchObject([{ depth: 0, promptTokens: 256, outputTokens: 16 }]);
    expect(samples[0]?.prefillTokensPerSec).toHaveLength(3);
    expect(samples[0]?.decodeTokensPerSec).toHaveLength(3);
    expect(build).toBe('build 11669 (Debian)');
  });

  test('finds the tests by name, whatever else a build prints and in whatever order', () => {
    const rows = JSON.parse(recorded) as Record<string, unknown>[];
    const changed = rows.toReversed().map(({ build_number: _, load_mode: __, ...row }) => ({ unheard_of: {}, ...row }));
    const { samples, build } = parseLlamaBench(JSON.stringify(changed));
    expect(samples).toEqual(parseLlamaBench(recorded).samples);
    expect(build).toBe('Debian');
  });

  test('tells depths apart, the smallest first', () => {
    const rows = JSON.parse(recorded) as Record<string, unknown>[];
    const deep = rows.map((row) => ({ ...row, n_depth: 512, samples_ts: [7] }));
    const { samples } = parseLlamaBench(JSON.stringify([...deep, ...rows]));
    expect(samples.map(({ depth }) => depth)).toEqual([0, 512]);
    expect(samples[1]?.prefillTokensPerSec).toEqual([7]);
  });

  test('what is not its JSON is refused with the beginning of it', () => {
    expect(() => parseLlamaBench('error: no such model')).toThrow(/not its JSON .*"error: no such model"/);
    expect(() => parseLlamaBench('[]')).toThrow(/no prompt test/);
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => parseLlamaBench(text)).toThrow(/llama-bench/);
      }),
    );
  });
});
