import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createProgramProbe, parseHelp, parseVersion } from '../../../runtimes/llama-server/probe.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../../fixtures/llama-server', name), 'utf8');

/** A program that counts its runs and answers like a llama-server. */
function program(help = '-m,    --model FNAME                    model path', exit = 0) {
  const folder = temporaryFolder();
  const path = join(folder, 'llama-server');
  const write = (version: string) => {
    writeFileSync(
      path,
      `#!/bin/sh\necho run >> ${folder}/runs\nif [ "$1" = --version ]; then echo "version: ${version}" >&2; else cat <<'X'\n${help}\nX\nfi\nexit ${exit}\n`,
    );
    chmodSync(path, 0o755);
  };
  write('1 (abc)');
  return { path, write, runs: () => readFileSync(`${folder}/runs`, 'utf8').split('\n').length - 1 };
}

describe('parseHelp', () => {
  const { flags, variables } = parseHelp(fixture('help-11669.txt'));

  it.each([
    '-m',
    '--model',
    '--no-webui',
    '--no-ui',
    '-ctk',
    '--jinja',
    '--slots',
    '-C',
    '--checkpoint-min-step',
    '-to',
  ])('finds %s in the recorded help', (flag) => {
    expect(flags.has(flag)).toBe(true);
  });

  it('tells flags with a value from switches', () => {
    const withValue = ['-fa', '--reasoning-budget', '-lm', '--cache-ram', '-ngl', '--alias'];
    expect(withValue.filter((flag) => flags.get(flag)?.takesValue !== true)).toEqual([]);
    const switches = ['--jinja', '--metrics', '--no-webui', '--slots', '-kvo'];
    expect(switches.filter((flag) => flags.get(flag)?.takesValue !== false)).toEqual([]);
  });

  it('takes no words of a description for flags', () => {
    expect([...flags.keys()].filter((flag) => !/^--?[A-Za-z][\w.-]*$/.test(flag))).toEqual([]);
    expect(flags.has('--port,')).toBe(false);
  });

  it('finds the environment variables', () => {
    expect(variables.has('LLAMA_API_KEY')).toBe(true);
  });
});

describe('parseVersion', () => {
  it.each([
    ['version: 0.7.0 (build 11669, commit Debian)\nbuilt with GNU 16.2.0 for Linux x86_64', '0.7.0 (build 11669)'],
    ['version: 6018 (a118d806)\nbuilt with cc', 'build 6018 (a118d806)'],
    ['version: b4242-dirty', 'b4242-dirty'],
    ['no such thing', 'unknown version'],
  ])('reads %j', (text, version) => {
    expect(parseVersion(text)).toBe(version);
  });
});

describe('createProgramProbe', () => {
  it('asks a program once, and again when its file changed', async () => {
    const { path, write, runs } = program();
    const probe = createProgramProbe();
    const [first, second] = await Promise.all([probe(path), probe(path)]);
    expect(first).toBe(second);
    expect([first.version, first.flags.has('--model'), runs()]).toEqual(['build 1 (abc)', true, 2]);
    write('2 (a longer one)');
    expect((await probe(path)).version).toBe('build 2 (a longer one)');
    expect(runs()).toBe(4);
  });

  it('names the program that does not run', async () => {
    const { path } = program('libggml.so: cannot open', 127);
    await expect(createProgramProbe()(path)).rejects.toMatchObject({
      code: 'runtime_missing',
      message: expect.stringMatching(/llama-server --(help|version) does not run \(exit code 127\)/),
    });
  });

  it('names the program that is not there', async () => {
    await expect(createProgramProbe()('/nowhere/llama-server')).rejects.toMatchObject({ code: 'runtime_missing' });
  });
});
