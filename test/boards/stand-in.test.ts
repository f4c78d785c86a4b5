import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readStandIn } from '../../src/boards/stand-in.ts';
import { boardStandIn, writeBoardStandIn } from '../helpers/board-stand-in.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-stand-in-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('readStandIn', () => {
  it('gives back what was written', async () => {
    const given = boardStandIn({ drift: { afterMs: 1000, factor: 1.5 }, noiseSigma: 0.08, thinking: true });
    expect(await readStandIn(writeBoardStandIn(join(folder, 'a.gguf'), given))).toEqual(given);
  });

  it('a missing file and one that is something else are told apart', async () => {
    await expect(readStandIn(join(folder, 'none.gguf'))).rejects.toMatchObject({ code: 'model_file_missing' });
    const text = join(folder, 'text.gguf');
    writeFileSync(text, '{"stand_in":2}');
    await expect(readStandIn(text)).rejects.toMatchObject({ code: 'invalid_config' });
  });

  it('a real model is not read to its end', async () => {
    const model = join(folder, 'real.gguf');
    writeFileSync(model, 'GGUF');
    truncateSync(model, 4e9);
    await expect(readStandIn(model)).rejects.toThrow(
      /4000000000 bytes; a real model is served by llama-server or rkllm/,
    );
  });
});
