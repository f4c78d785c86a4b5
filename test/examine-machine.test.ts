import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/core/clock.ts';
import { createExaminer } from '../src/examine-machine.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';

describe('createExaminer', () => {
  it('looks once for whoever asks meanwhile, and anew for who asks later', async () => {
    const folder = temporaryFolder();
    const examine = createExaminer({
      policyFile: join(folder, 'policy.yaml'),
      dataDir: join(folder, 'data'),
      clock: systemClock,
      environment: {},
      sysroot: join(import.meta.dirname, 'fixtures/sysroots/rk3588'),
    });
    const [first, second] = await Promise.all([examine(), examine()]);
    expect(second).toBe(first);
    expect(first.find(({ id }) => id === 'chip')?.measured).toContain('RK3588');
    const later = await examine();
    expect(later).not.toBe(first);
    expect(later).toEqual(first);
  });
});
