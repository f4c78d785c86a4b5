import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readStandIn } from '../../src/boards/stand-in.ts';
import { prepareSimulation } from '../../src/commands/prepare-simulation.ts';
import { packageRoot } from '../../src/core/package-root.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { createWorld } from '../../src/simulate/world.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-prepare-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const shipped = join(packageRoot(), 'routing-policy.yaml');

describe('prepareSimulation', () => {
  it('writes a stand-in of every model with the times that `sluice simulate` reckons with', async () => {
    const { policyFile, board } = await prepareSimulation({ board: 'rk3588', policyFile: shipped, folder, seed: 1 });
    const { models } = await loadPolicy(policyFile);
    const world = createWorld(await loadPolicy(shipped));
    expect(board.id).toBe('rk3588');
    expect(models.size).toBe(8);
    const standIns = await Promise.all([...models.values()].map(({ file }) => readStandIn(file)));
    expect(standIns.map(({ service }) => service)).toEqual([...world.models.values()].map(({ service }) => service));
    expect(new Set(standIns.map(({ seed }) => seed)).size).toBe(8);
    expect(standIns[0]).toMatchObject({ quantization: 'w8a8', contextTokens: 4096, parametersBillion: 1.7 });
  });

  it('refuses a board it has no figures of before it writes anything', async () => {
    const given = { board: 'rk3576', policyFile: shipped, folder: join(folder, 'none'), seed: 1 };
    await expect(prepareSimulation(given)).rejects.toMatchObject({ code: 'usage' });
  });
});
