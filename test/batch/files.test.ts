import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { BatchRequest } from '../../src/core/batch.ts';
import type { StoredFile } from '../../src/store/batch-table.ts';
import { type BatchDesk, inputLines, openDesk } from '../helpers/batch-desk.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const HOUR_MS = 3_600_000;
const desk = () => openDesk(temporaryFolder());

async function add({ files }: BatchDesk, client: string, given: { lifeMs?: number; text?: string } = {}) {
  async function* pieces() {
    yield Buffer.from(given.text ?? 'x');
  }
  const upload = { client, filename: 'night.jsonl', purpose: 'batch', lifeMs: given.lifeMs };
  return files.add(upload, await files.write(pieces()));
}
const names = (files: readonly StoredFile[]) => files.map(({ id }) => id);

describe('a client’s files', () => {
  it('have their bytes, and live as long as they are told to or as the policy has it', async () => {
    const one = desk();
    const nowMs = one.clock.nowMs();
    const short = await add(one, 'me', { lifeMs: 2 * HOUR_MS, text: 'zwölf' });
    expect(short).toMatchObject({ client: 'me', bytes: 6, purpose: 'batch', createdMs: nowMs });
    expect(short.expiresMs).toBe(nowMs + 2 * HOUR_MS);
    expect((await add(one, 'me')).expiresMs).toBe(nowMs + HOUR_MS);
  });

  it('are nobody else’s', async () => {
    const one = desk();
    const { id } = await add(one, 'me');
    expect(() => one.files.find('you', id)).toThrow(/no such file/);
    expect(() => one.files.read('you', id)).toThrow(/no such file/);
    await expect(one.files.remove('you', id)).rejects.toMatchObject({ code: 'not_found' });
    expect(one.files.list('you', { limit: 9 })).toEqual([]);
    expect(one.files.find('me', id).id).toBe(id);
  });

  it('are listed page by page in either order', async () => {
    const one = desk();
    const [a, b, c] = [(await add(one, 'me')).id, (await add(one, 'me')).id, (await add(one, 'me')).id];
    await add(one, 'you');
    expect(names(one.files.list('me', { limit: 2 }))).toEqual([c, b]);
    expect(names(one.files.list('me', { limit: 2, after: b }))).toEqual([a]);
    expect(names(one.files.list('me', { limit: 9, after: a, order: 'asc' }))).toEqual([b, c]);
    expect(one.files.list('me', { limit: 9, purpose: 'batch_output' })).toEqual([]);
  });

  it('do not end early where the last one seen has gone: that is said', async () => {
    const one = desk();
    const { id } = await add(one, 'me');
    await add(one, 'me');
    await one.files.remove('me', id);
    expect(() => one.files.list('me', { limit: 9, after: id })).toThrow(/no such file/);
  });

  it('are gone with their bytes once they are deleted', async () => {
    const one = desk();
    const { id } = await add(one, 'me');
    await one.files.remove('me', id);
    expect(() => one.files.find('me', id)).toThrow(/no such file/);
    expect(existsSync(one.shelf.pathOf(id))).toBe(false);
    await expect(one.files.remove('me', id)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('stay while a batch reads them', async () => {
    const one = desk();
    const id = await one.submit(inputLines(2));
    const [file] = one.files.list('me', { limit: 1 });
    await expect(one.files.remove('me', file?.id ?? '')).rejects.toThrow(new RegExp(`is read by ${id}: cancel it`));
    one.clock.advance(2 * HOUR_MS);
    expect(await one.files.expire()).toEqual([]);
    await one.batches.idle();
    await one.work(id, 2);
    one.batches.settle();
    await one.batches.idle();
    expect(names(await one.files.expire())).toEqual([file?.id]);
    expect(one.notices).toContainEqual(expect.stringContaining('has expired and was deleted'));
  });

  it('stay where a batch is made of one while others are deleted', async () => {
    const one = openDesk(temporaryFolder(), {
      shelf: (real) => ({
        ...real,
        remove: async (id) => {
          await real.remove(id);
          await made();
        },
      }),
    });
    let made = async (): Promise<void> => undefined;
    const first = await add(one, 'me', { lifeMs: HOUR_MS });
    const second = await add(one, 'me', { lifeMs: HOUR_MS });
    made = async () => {
      const request = { ...REQUEST, deadlineMs: one.clock.nowMs() + HOUR_MS, inputFile: second.id };
      one.batches.create('me', request);
    };
    one.clock.advance(HOUR_MS);
    expect(names(await one.files.expire())).toEqual([first.id]);
    expect(existsSync(one.shelf.pathOf(second.id))).toBe(true);
    await one.batches.idle();
  });

  it('that are too large leave nothing behind', async () => {
    const one = desk();
    await expect(add(one, 'me', { text: 'x'.repeat(2_000_000) })).rejects.toThrow(/batch\.file_limit/);
    expect(one.files.list('me', { limit: 9 })).toEqual([]);
  });
});

const REQUEST: Omit<BatchRequest, 'deadlineMs' | 'inputFile'> = {
  ...{ endpoint: '/v1/completions', completionWindow: '24h', metadata: undefined, outputLifeMs: undefined },
  ...{ when: { kind: 'now' }, hasDeadline: false, model: undefined, minQuality: 0 },
};
