import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cacheFolder } from '../../src/transport/cache-folder.ts';

describe('cacheFolder', () => {
  it.each([
    ['SLUICE_CACHE first', { SLUICE_CACHE: '/a', XDG_CACHE_HOME: '/b' }, '/a'],
    ['a folder in the XDG cache next', { XDG_CACHE_HOME: '/b' }, '/b/sluice'],
    ['a folder in ~/.cache otherwise', {}, join(homedir(), '.cache/sluice')],
    [
      '~/.cache when the variables are empty',
      { SLUICE_CACHE: '', XDG_CACHE_HOME: '' },
      join(homedir(), '.cache/sluice'),
    ],
  ])('is %s', (_, environment, folder) => {
    expect(cacheFolder(environment)).toBe(folder);
  });
});
