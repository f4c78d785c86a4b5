import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FINDING_IDS } from '../../src/doctor/finding.ts';
import { statusByCode } from '../helpers/error-codes.ts';

const document = readFileSync(join(import.meta.dirname, '../../docs/troubleshooting.md'), 'utf8');
/** What stands in code letters in the first column of its tables. */
const keys = document
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''));

describe('docs/troubleshooting.md', () => {
  it('has a row for every finding and every error code, and for nothing else', () => {
    expect(keys.toSorted()).toEqual([...FINDING_IDS, ...Object.keys(statusByCode)].toSorted());
  });
});
