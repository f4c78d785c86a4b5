import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { readSpeed } from '../../src/doctor/read-speed.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

it('says nothing of a file too small to time, of none, and of a file system without O_DIRECT', async () => {
  const small = join(temporaryFolder(), 'small');
  writeFileSync(small, 'x');
  for (const file of [small, '/no/such/file', '/proc/version'])
    expect(await readSpeed(file, systemClock.monotonicMs)).toBeUndefined();
});
