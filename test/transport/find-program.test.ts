import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findProgram } from '../../src/transport/find-program.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

function program(folder: string, name = 'llama-bench', mode = 0o755): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, '');
  chmodSync(path, mode);
  return path;
}

describe('findProgram', () => {
  test('PATH goes before our own prefix', () => {
    const folder = temporaryFolder();
    const installed = program(join(folder, 'cache/llama.cpp/bin'));
    const environment = {
      PATH: `relative:${join(folder, 'empty')}:${join(folder, 'bin')}`,
      SLUICE_CACHE: join(folder, 'cache'),
    };
    expect(findProgram('llama-bench', environment)).toBe(installed);
    const onPath = program(join(folder, 'bin'));
    expect(findProgram('llama-bench', environment)).toBe(onPath);
  });

  test('an empty SLUICE_CACHE counts as unset', () => {
    const folder = temporaryFolder();
    const installed = program(join(folder, 'sluice/llama.cpp/bin'));
    expect(findProgram('llama-bench', { PATH: '', SLUICE_CACHE: '', XDG_CACHE_HOME: folder })).toBe(installed);
  });

  test('a name with a slash is that file or nothing', () => {
    const folder = temporaryFolder();
    const path = program(folder);
    expect(findProgram(path, { PATH: '' })).toBe(path);
    expect(findProgram(join(folder, 'other'), { PATH: folder })).toBeUndefined();
  });

  test('a file that may not be executed, and a folder, are no programs', () => {
    const folder = temporaryFolder();
    program(folder, 'text', 0o644);
    mkdirSync(join(folder, 'sub'));
    expect(findProgram('text', { PATH: folder })).toBeUndefined();
    expect(findProgram('sub', { PATH: folder })).toBeUndefined();
  });
});
