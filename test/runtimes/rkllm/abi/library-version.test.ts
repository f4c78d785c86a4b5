import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLibraryVersion } from '../../../../runtimes/rkllm/abi/library-version.ts';
import { buildSimulator } from '../../../../runtimes/rkllm/simulator/build-simulator.ts';
import { temporaryFolder } from '../../../helpers/temporary-folder.ts';

describe('readLibraryVersion', () => {
  it.each(['1.2.3', '1.3.0', '1.1.4', '1.2.1b1'])(
    'finds %s in a compiled library and knows it for a simulator',
    async (version) => {
      expect(await readLibraryVersion(await buildSimulator(version))).toEqual({ version, simulated: true });
    },
  );

  it('finds either spelling, wherever it lies among the reads', async () => {
    const file = join(temporaryFolder(), 'lib.so');
    const spelling = fc.constantFrom(
      'RKLLM SDK (version: 1.2.3 (abc1234@2025-11-24))',
      'rknn llm lib version: 1.2.3 (x)',
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 300 }), spelling, async (shift, text) => {
        // Around the border of the first and the second read of 256 KiB.
        writeFileSync(
          file,
          Buffer.concat([Buffer.alloc(2 ** 18 - 150 + shift, 0x80), Buffer.from(`${text}\0`), Buffer.alloc(9)]),
        );
        expect(await readLibraryVersion(file)).toEqual({ version: '1.2.3', simulated: false });
      }),
      { numRuns: 40 },
    );
  });

  it('finds nothing in another library', async () => {
    const file = join(temporaryFolder(), 'lib.so');
    writeFileSync(file, 'librknnrt version: 2.3.2 (x)\0');
    expect(await readLibraryVersion(file)).toEqual({ version: undefined, simulated: false });
  });

  it('rejects for a file that is not there', async () => {
    await expect(readLibraryVersion('/nowhere/librkllmrt.so')).rejects.toThrow('ENOENT');
  });
});
