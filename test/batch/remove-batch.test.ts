import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { removeBatch } from '../../src/batch/remove-batch.ts';
import { type BatchDesk, inputLines, openDesk } from '../helpers/batch-desk.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const remove = ({ batches, files, store, queue }: BatchDesk, client: string, id: string) =>
  removeBatch({ batches, files, table: store.batches, queue }, client, id);

async function endedBatch(desk: BatchDesk) {
  const id = await desk.submit(inputLines(2));
  await desk.batches.idle();
  await desk.work(id, 2);
  desk.batches.settle();
  await desk.batches.idle();
  const { outputFile = '', request } = desk.batches.find('me', id);
  return { id, output: outputFile, input: request.inputFile };
}

describe('removeBatch', () => {
  it('deletes a batch and what it wrote, and leaves its input', async () => {
    const desk = openDesk(temporaryFolder());
    const { id, output, input } = await endedBatch(desk);
    await remove(desk, 'me', id);
    expect(() => desk.batches.find('me', id)).toThrow('no such batch');
    expect(() => desk.files.find('me', output)).toThrow('no such file');
    expect(existsSync(desk.shelf.pathOf(output))).toBe(false);
    expect(desk.files.find('me', input).id).toBe(input);
  });

  it('does not mind that the results have gone before', async () => {
    const desk = openDesk(temporaryFolder());
    const { id, output } = await endedBatch(desk);
    await desk.files.remove('me', output);
    await remove(desk, 'me', id);
    expect(desk.store.batches.batch(id)).toBeUndefined();
  });

  it('refuses while it has not ended, and what is another client’s', async () => {
    const desk = openDesk(temporaryFolder());
    const open = await desk.submit(inputLines(2));
    await desk.batches.idle();
    await expect(remove(desk, 'me', open)).rejects.toMatchObject({
      message: `${open} is in_progress: cancel it first`,
      details: { status: 409 },
    });
    const { id } = await endedBatch(desk);
    await expect(remove(desk, 'you', id)).rejects.toMatchObject({ code: 'not_found' });
    expect(desk.batches.find('me', id).status).toBe('completed');
  });
});
