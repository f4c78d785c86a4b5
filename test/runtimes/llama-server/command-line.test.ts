import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildCommandLine } from '../../../runtimes/llama-server/command-line.ts';
import { type ProbedProgram, parseHelp } from '../../../runtimes/llama-server/probe.ts';
import { formatCpuList } from '../../../src/core/format.ts';
import type { RuntimeSettings } from '../../../src/core/policy.ts';
import { modelPolicy } from '../../helpers/policy-values.ts';

const HELP = readFileSync(join(import.meta.dirname, '../../fixtures/llama-server/help-11669.txt'), 'utf8');

const program = (help = HELP): ProbedProgram => ({
  path: 'llama-server',
  version: '0.7.0 (build 11669)',
  ...parseHelp(help),
});
const without = (...flags: readonly string[]): ProbedProgram => {
  const { flags: known, ...rest } = program();
  return { ...rest, flags: new Map([...known].filter(([flag]) => !flags.includes(flag))) };
};

const EIGHT = [0, 1, 2, 3, 4, 5, 6, 7];
const WINNER: RuntimeSettings = {
  cpus: EIGHT,
  threads: 6,
  context: 2048,
  parallel: 1,
  jinja: true,
  reasoningBudget: 0,
  cacheTypeK: 'f16',
  cacheTypeV: 'f16',
  flashAttention: 'on',
};
const endpoint = { port: 8081, apiKey: 'secret' };
const onEight = { cpus: EIGHT, hasTaskset: true };

function argsOf(
  settings: RuntimeSettings,
  given = program(),
  placement = { cpus: undefined, hasTaskset: true } as Parameters<typeof buildCommandLine>[3],
) {
  return buildCommandLine(modelPolicy('m', { file: 'm.gguf', settings }), endpoint, given, placement).args.join(' ');
}

describe('buildCommandLine', () => {
  it('is the winning command of the board measurements word for word, then our additions', () => {
    const model = modelPolicy('qwen3.5-4b', { file: '<model>.gguf', settings: WINNER });
    const plan = buildCommandLine(model, endpoint, program(), onEight);
    const line = [plan.command, ...plan.args].join(' ');
    expect(line).toBe(
      'taskset -c 0-7 llama-server -m <model>.gguf --host 127.0.0.1 --port 8081 -c 2048 -t 6 --parallel 1 --jinja ' +
        '--reasoning-budget 0 -ctk f16 -ctv f16 -fa on --no-webui' +
        ' --alias qwen3.5-4b --metrics --slots --cache-ram 256 --sse-ping-interval -1 -to 3600',
    );
  });

  it('keeps the key off the command line, where every user could read it', () => {
    const plan = buildCommandLine(modelPolicy('m', { settings: {} }), endpoint, program(), onEight);
    expect(plan.environment).toEqual({ LLAMA_API_KEY: 'secret' });
    expect(plan.args).not.toContain('secret');
    const older = { ...program(), variables: new Set<string>() };
    expect(argsOf({}, older)).toContain('--api-key secret');
  });

  it('writes every setting this kind knows', () => {
    const line = argsOf({
      threadsBatch: 4,
      batch: 64,
      ubatch: 32,
      gpuLayers: 28,
      contextCheckpoints: 8,
      checkpointMinStep: 256,
      priority: 2,
      mmproj: 'vision.gguf',
      chatTemplateFile: 'chat.jinja',
      cacheRamBytes: 512 * 2 ** 20,
      loadMode: 'mlock',
      extraArgs: ['--threads-http', '2'],
    });
    for (const part of [
      '-tb 4',
      '-b 64',
      '-ub 32',
      '-ngl 28',
      '--ctx-checkpoints 8',
      '--checkpoint-min-step 256',
      '--prio 2',
    ]) {
      expect(line).toContain(` ${part} `);
    }
    expect(line).toContain('--mmproj vision.gguf --chat-template-file chat.jinja -lm mlock ');
    expect(line).toContain('--cache-ram 512 ');
    expect(line.endsWith(' --threads-http 2')).toBe(true);
  });

  it('passes no flag for a setting that is not given', () => {
    expect(argsOf({})).toBe(
      '-m m.gguf --host 127.0.0.1 --port 8081 --parallel 1 --no-webui --alias m --metrics --slots --cache-ram 256 --sse-ping-interval -1 -to 3600',
    );
  });

  it('uses the new name of a renamed flag', () => {
    expect(argsOf({}, without('--no-webui'))).toContain(' --no-ui ');
    expect(argsOf({}, without('--no-webui', '--no-ui'))).not.toContain('ui');
  });

  it.each([
    ['mmap', ''],
    ['none', ' --no-mmap'],
    ['mlock', ' --mlock'],
  ] as const)('writes load mode %s as older builds spelled it', (loadMode, expected) => {
    const older = without('-lm', '--load-mode');
    const flags = new Map([
      ...older.flags,
      ['--no-mmap', { takesValue: false }],
      ['--mlock', { takesValue: false }],
    ] as const);
    const line = argsOf({ loadMode }, { ...older, flags });
    expect(line.includes('mmap') || line.includes('mlock') ? line : '').toContain(expected);
  });

  it('knows flash attention as a switch too', () => {
    const flags = new Map([
      ...program().flags,
      ['-fa', { takesValue: false }],
      ['--flash-attn', { takesValue: false }],
    ] as const);
    const older = { ...program(), flags };
    expect(argsOf({ flashAttention: 'on' }, older)).toContain(' -fa --no-webui');
    expect(argsOf({ flashAttention: 'off' }, older)).not.toContain('-fa');
  });

  it('names flag, setting, program and build where a needed flag does not exist', () => {
    expect(() => argsOf({ checkpointMinStep: 256 }, without('--checkpoint-min-step'))).toThrow(
      'models.m: llama-server (0.7.0 (build 11669)) has no flag --checkpoint-min-step, which the setting checkpoint_min_step needs; ' +
        'remove the setting or use a newer llama.cpp',
    );
  });

  it("places the process with the program's own mask where there is no taskset", () => {
    const plan = buildCommandLine(modelPolicy('m', { settings: {} }), endpoint, program(), {
      cpus: [4, 5, 6, 7],
      hasTaskset: false,
    });
    expect(plan.command).toBe('llama-server');
    expect(plan.args.slice(-2)).toEqual(['-C', 'f0']);
  });

  it("passes the model's environment on", () => {
    const model = modelPolicy('m', { settings: { environment: { GGML_X: '1' } } });
    expect(buildCommandLine(model, endpoint, program(), onEight).environment).toEqual({
      GGML_X: '1',
      LLAMA_API_KEY: 'secret',
    });
  });
});

describe('formatCpuList', () => {
  it.each([
    [[0, 1, 2, 3], '0-3'],
    [[0, 1, 2, 3, 6], '0-3,6'],
    [[4], '4'],
    [[], ''],
  ] as const)('writes %j as %s', (cpus, text) => {
    expect(formatCpuList(cpus)).toBe(text);
  });

  it('names exactly the CPUs it was given', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 130 })), (list) => {
        const cpus = list.toSorted((a, b) => a - b);
        const read = formatCpuList(cpus)
          .split(',')
          .filter((part) => part !== '')
          .flatMap((part) => {
            const [first = 0, last = first] = part.split('-').map(Number);
            return Array.from({ length: last - first + 1 }, (_, index) => first + index);
          });
        expect(read).toEqual(cpus);
      }),
    );
  });
});

describe('a model that generates nothing', () => {
  it.each<[RuntimeSettings, string]>([
    [{ embeddings: true, pooling: 'mean', context: 512, ubatch: 64 }, '-b 512 -ub 512 --pooling mean --embeddings'],
    [{ rerank: true, context: 1024 }, '-b 1024 -ub 1024 --reranking'],
    [{ embeddings: true, batch: 32 }, '-b 32 --embeddings'],
  ])('reads a whole text in one batch: %j', (settings, flags) => {
    expect(argsOf(settings)).toContain(` ${flags} `);
  });

  it('is refused by a build that has no such mode', () => {
    const old = without('--rerank', '--reranking');
    expect(() => argsOf({ rerank: true }, old)).toThrow('has no flag --reranking or --rerank');
  });
});
