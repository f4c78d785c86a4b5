import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

// The decisions of the script, with small programs standing for llama.cpp and for apt; nothing is fetched. That real
// packages install and run is shown by the end-to-end tests, which cannot start otherwise.

const script = join(import.meta.dirname, '../../scripts/install-llama-cpp');
const fixtures = join(import.meta.dirname, '../fixtures');
const shellTools =
  'bash cat dirname realpath sed grep head awk sort cut tr mkdir rm mv id env ls basename find flock'.split(' ');

let root: string;
let folder: string;
let tools: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-install-'));
  // A PATH with the shell's tools alone: no apt, no llama.cpp of the machine.
  tools = join(root, 'tools');
  mkdirSync(tools);
  for (const name of shellTools) {
    const found = ['/usr/bin', '/bin']
      .map((place) => join(place, name))
      .find((path) => spawnSync('test', ['-x', path]).status === 0);
    if (found !== undefined) symlinkSync(found, join(tools, name));
  }
});
beforeEach(() => {
  folder = mkdtempSync(join(root, 'case-'));
});
afterAll(() => rmSync(root, { recursive: true }));

function program(path: string, body: string): void {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, `#!${join(tools, 'bash')}\n${body}\n`);
  chmodSync(path, 0o755);
}

/** A llama-server and a llama-bench that print what the real ones printed; `without` names a flag they do not know. */
function fakeLlama(
  place: string,
  { version = 'version: 0.7.0 (build 11669, commit Debian)', without = '(none)' } = {},
): void {
  for (const name of ['llama-server', 'llama-bench']) {
    mkdirSync(place, { recursive: true });
    copyFileSync(join(fixtures, name, 'help-11669.txt'), join(place, `${name}.help`));
    const print = `grep -v -e '${without}' '${join(place, `${name}.help`)}'`;
    program(join(place, name), `if [[ $1 == --version ]]; then echo '${version}'; else ${print}; fi`);
  }
}

function run(args: readonly string[], paths: readonly string[] = [], environment: NodeJS.ProcessEnv = {}) {
  const env = { PATH: [...paths, tools].join(':'), HOME: folder, SLUICE_CACHE: join(folder, 'cache'), ...environment };
  return spawnSync(script, args, { env, encoding: 'utf8' });
}

const json = (text: string): unknown => JSON.parse(text);

describe('install-llama-cpp arguments', () => {
  it('prints its usage and exits 0 for --help', () => {
    expect(run(['--help'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('usage: scripts/install-llama-cpp'),
    });
  });

  it.each([
    ['an unknown argument', ['--frobnicate'], 'unknown argument --frobnicate'],
    ['an option without its value', ['--prefix'], '--prefix needs a value'],
    ['a prefix that a library search path cannot hold', ['--prefix', '/tmp/a b'], 'must not hold spaces or colons'],
  ])('exits 2 for %s', (_, args, message) => {
    expect(run(args)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining(message) });
  });
});

describe('install-llama-cpp finding', () => {
  it('takes the program the caller names before all others', () => {
    fakeLlama(join(folder, 'named'));
    fakeLlama(join(folder, 'path'));
    const result = run(['--json', '--binary', join(folder, 'named/llama-server')], [join(folder, 'path')]);
    expect(json(result.stdout)).toEqual({
      server: join(folder, 'named/llama-server'),
      bench: join(folder, 'named/llama-bench'),
      version: '0.7.0',
      build: 11669,
      source: 'policy',
    });
  });

  it('takes the program on PATH when the named one is not there', () => {
    fakeLlama(join(folder, 'path'));
    const result = run(['--json', '--binary', join(folder, 'absent')], [join(folder, 'path')]);
    expect(json(result.stdout)).toMatchObject({ source: 'path', server: join(folder, 'path/llama-server') });
    expect(result.stderr).toContain('absent is not an executable file');
  });

  it('takes its own finished installation when PATH has none', () => {
    const prefix = join(folder, 'cache/llama.cpp');
    fakeLlama(join(prefix, 'bin'));
    writeFileSync(join(prefix, '.complete'), '0.7.0 (build 11669, commit Debian)\n');
    expect(run([])).toMatchObject({ status: 0, stdout: expect.stringContaining('llama.cpp 0.7.0 (build 11669)') });
    expect(json(run(['--json']).stdout)).toMatchObject({ source: 'prefix', bench: join(prefix, 'bin/llama-bench') });
  });

  it.each([
    ['a release', 'version: 0.7.0 (build 11669, commit Debian)', '0.7.0', 11669],
    ['an own build', 'version: 6431 (3de008208)', '6431', 6431],
    ['a build that prints none', 'built by hand', '', null],
  ])('reads version and build of %s', (_, line, version, build) => {
    fakeLlama(join(folder, 'path'), { version: line });
    expect(json(run(['--json'], [join(folder, 'path')]).stdout)).toMatchObject({ version, build });
  });

  it('passes over a program that does not know a flag we need, and says which', () => {
    fakeLlama(join(folder, 'path'), { without: '--reasoning-budget' });
    expect(run([], [join(folder, 'path')])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('it does not know --reasoning-budget'),
    });
  });
});

describe('install-llama-cpp where it cannot install', () => {
  it('exits 1 without apt-get and names the other ways', () => {
    const result = run(['--json']);
    expect(result).toMatchObject({ status: 1, stdout: '' });
    for (const way of ['own build', 'brew install llama.cpp', 'nix profile install'])
      expect(result.stderr).toContain(way);
  });

  it('exits 1 on an architecture Debian is not used for', () => {
    for (const name of ['apt-get', 'apt-cache', 'apt-config', 'dpkg-deb']) program(join(folder, 'apt', name), 'exit 1');
    program(join(folder, 'apt/dpkg'), 'echo riscv64');
    expect(run([], [join(folder, 'apt')])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('not on riscv64'),
    });
  });

  it('leaves a prefix alone that is not its own', () => {
    for (const name of ['apt-get', 'apt-cache', 'apt-config', 'dpkg-deb']) program(join(folder, 'apt', name), 'exit 1');
    program(join(folder, 'apt/dpkg'), 'echo amd64');
    const prefix = join(folder, 'mine');
    mkdirSync(prefix);
    writeFileSync(join(prefix, 'letters.txt'), '');
    const result = run(['--prefix', prefix], [join(folder, 'apt')]);
    expect(result).toMatchObject({ status: 1, stderr: expect.stringContaining('exists and is not ours') });
    expect(readdirSync(prefix)).toEqual(['letters.txt']);
  });
});
