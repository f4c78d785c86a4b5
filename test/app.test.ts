import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openMachine } from '../src/machine.ts';
import { createEventBus } from '../src/observe/event-bus.ts';
import { fakeClock } from './helpers/fake-clock.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';

describe('openMachine', () => {
  it('says which data directory cannot be used and what to do', async () => {
    const dataDir = join(temporaryFolder(), 'file');
    writeFileSync(dataDir, '');
    const options = { dataDir, clock: fakeClock(), events: createEventBus(), environment: {} };
    await expect(openMachine(options, () => undefined)).rejects.toMatchObject({
      code: 'store_failed',
      message: expect.stringMatching(/file cannot be written: EEXIST.*--data DIR/),
    });
  });
});
