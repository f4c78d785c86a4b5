import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FINDING_IDS, kindOf } from '../../src/doctor/finding.ts';
import { CHECKS } from '../../src/doctor/run-checks.ts';
import { copyBoard } from '../helpers/board-copy.ts';
import { BOARDS, examineBoard, findingsOf } from './boards.ts';

const SYSROOTS = join(import.meta.dirname, '../fixtures/sysroots');

describe('runChecks', () => {
  it.each(Object.keys(BOARDS))('reports %s as expected', async (name) => {
    const text = `${JSON.stringify(await findingsOf(name), undefined, 2)}\n`;
    await expect(text).toMatchFileSnapshot(join(SYSROOTS, `${name}.findings.json`));
  });
});

describe('every check', () => {
  it.each(Object.keys(BOARDS))('keeps the contract on %s', async (name) => {
    const board = BOARDS[name];
    if (board === undefined) throw new Error(name);
    const host = await examineBoard(await copyBoard(name, board.models), board);
    const ids: string[] = [];
    for (const [group, check] of Object.entries(CHECKS)) {
      for (const finding of await check(host)) {
        ids.push(finding.id);
        expect(FINDING_IDS as readonly string[], group).toContain(kindOf(finding));
        expect(Object.keys(finding)).toEqual(['id', 'severity', 'title', 'measured', 'why', 'remedy']);
        for (const text of [finding.title, finding.measured, finding.why]) expect(text).not.toMatch(/^$|undefined|NaN/);
        // Whoever is told of something wrong is told what to do.
        if (finding.severity === 'warn' || finding.severity === 'error') expect(finding.remedy).not.toBe('');
        expect(JSON.stringify(finding)).not.toContain(host.files.sysroot);
      }
    }
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('comes to its end on a machine without any of the files', async () => {
    const host = await examineBoard(join(SYSROOTS, 'rk3588', 'none'), { policy: 'none.yaml' });
    for (const [group, check] of Object.entries(CHECKS)) {
      const errors = (await check(host)).filter(({ severity }) => severity === 'error');
      expect(errors, group).toEqual([]);
    }
  });
});
