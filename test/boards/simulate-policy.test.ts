import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BOARDS, findBoard } from '../../src/boards/boards.ts';
import { simulatePolicy, standInPath } from '../../src/boards/simulate-policy.ts';
import { packageRoot } from '../../src/core/package-root.ts';
import { parsePolicy } from '../../src/policy/parse.ts';

const shipped = readFileSync(join(packageRoot(), 'routing-policy.yaml'), 'utf8');
const read = (text: string) => parsePolicy(text, 'policy.yaml');
const board = findBoard('rk3588');

describe('simulatePolicy', () => {
  it('changes runtimes, files and memory of the shipped policy and nothing that routing decides by', () => {
    const before = read(shipped);
    const after = read(simulatePolicy(shipped, board, '/stand-ins'));
    expect([...after.runtimes.values()].map(({ kind }) => kind)).toEqual(['simulated', 'simulated']);
    expect([...after.runtimes.values()].map(({ device }) => device)).toEqual(['cpu', 'npu']);
    expect(after.machine.memoryBytes).toBe(24e9);
    for (const [id, model] of after.models) {
      const original = before.models.get(id);
      expect(model.file).toBe(standInPath('/stand-ins', id, original?.file ?? ''));
      expect({ ...model, file: '', settings: {} }).toEqual({ ...original, file: '', settings: {} });
      expect(model.settings.context).toBe(original?.settings.context);
    }
    expect(after.classes).toEqual(before.classes);
    expect(after.classify).toEqual(before.classify);
    expect(after.routing).toEqual(before.routing);
  });

  it('leaves a budget of memory that the policy names itself', () => {
    const { machine } = read(simulatePolicy('version: 1\nmachine: { memory: 12GB }\n', board, '/s'));
    expect(machine.memoryBytes).toBe(12e9);
  });

  it('says in its first line what it is, and keeps the comments', () => {
    const text = simulatePolicy(shipped, board, '/stand-ins');
    expect(text.split('\n')[0]).toMatch(/^# SIMULATED: RK3588/);
    expect(text).toContain('# the best answers this board can give, overnight');
  });

  it('drops what only a real program or its files could mean', () => {
    const text = `version: 1
machine: { before_start: [{ run: [/usr/sbin/daemon], ready: { tcp: "127.0.0.1:7000" } }] }
runtimes: { llama: { kind: llama-server, device: cpu, binary: /opt/x, settings: { extra_args: [--fancy], context: 512 } } }
models: { m: { runtime: llama, file: m.gguf, settings: { mmproj: vision.gguf } } }
`;
    const { machine, runtimes, models } = read(simulatePolicy(text, board, '/s'));
    expect(machine.beforeStart).toEqual([]);
    expect([...runtimes.values()][0]?.binary).toBeUndefined();
    expect([...models.values()][0]?.settings).toEqual({ context: 512 });
  });
});

describe('findBoard', () => {
  it('finds a board by its name and refuses others with the list', () => {
    expect(findBoard('RK3588')).toBe(BOARDS[0]);
    expect(() => findBoard('rk9999')).toThrow(/no figures of a board "rk9999"; .*: rk3588/);
  });
});
