import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { OWN_ENVIRONMENT } from '../../src/core/own-environment.ts';

it('OWN_ENVIRONMENT is what the first line of cli.ts sets', () => {
  const [line = ''] = readFileSync(join(import.meta.dirname, '../../src/cli.ts'), 'utf8').split('\n');
  const set = [...line.matchAll(/ ([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name, value]);
  expect(Object.fromEntries(set)).toEqual(OWN_ENVIRONMENT);
});
