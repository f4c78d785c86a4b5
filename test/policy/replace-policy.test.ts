import { chmodSync, lstatSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { replacePolicyFile } from '../../src/policy/replace-policy.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const BEFORE = 'version: 1 # as it was\n';
const AFTER = 'version: 1 # as it is now\n';
const replacement = { before: BEFORE, after: AFTER, stamp: '20261121T171259Z' };

function policyIn(folder: string, text = BEFORE) {
  const file = join(folder, 'policy.yaml');
  writeFileSync(file, text);
  return file;
}

describe('replacePolicyFile', () => {
  it('replaces the file, keeps its mode, and leaves the old text beside it', async () => {
    const folder = temporaryFolder();
    const file = policyIn(folder);
    chmodSync(file, 0o640);
    const backup = await replacePolicyFile({ file, ...replacement });
    expect(readFileSync(file, 'utf8')).toBe(AFTER);
    expect(backup).toBe(`${file}.bak-20261121T171259Z`);
    expect(readFileSync(backup, 'utf8')).toBe(BEFORE);
    for (const path of [file, backup]) expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it('edits what a symbolic link points to', async () => {
    const folder = temporaryFolder();
    const target = policyIn(folder);
    const link = join(temporaryFolder(), 'link.yaml');
    symlinkSync(target, link);
    const backup = await replacePolicyFile({ file: link, ...replacement });
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(target, 'utf8')).toBe(AFTER);
    expect(backup).toBe(`${target}.bak-20261121T171259Z`);
  });

  it('changes nothing where the new text is no policy, or the file is another one by now', async () => {
    const folder = temporaryFolder();
    const file = policyIn(folder);
    await expect(replacePolicyFile({ file, ...replacement, after: 'version: 2\n' })).rejects.toThrow('version');
    writeFileSync(file, 'version: 1 # by somebody else\n');
    await expect(replacePolicyFile({ file, ...replacement })).rejects.toThrow('was changed meanwhile');
    expect(readFileSync(file, 'utf8')).toBe('version: 1 # by somebody else\n');
    expect(readdirSync(folder)).toEqual(['policy.yaml']);
  });

  it('never overwrites a backup', async () => {
    const folder = temporaryFolder();
    const file = policyIn(folder);
    writeFileSync(`${file}.bak-${replacement.stamp}`, 'precious');
    await expect(replacePolicyFile({ file, ...replacement })).rejects.toThrow('EEXIST');
    expect(readFileSync(file, 'utf8')).toBe(BEFORE);
    expect(readFileSync(`${file}.bak-${replacement.stamp}`, 'utf8')).toBe('precious');
  });
});
