import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openFileShelf } from '../../src/store/file-shelf.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

async function* pieces(...texts: string[]) {
  yield* texts;
}
async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const piece of stream) text += String(piece);
  return text;
}
const open = () => openFileShelf(join(temporaryFolder(), 'files'));

describe('a file shelf', () => {
  it('keeps what comes in pieces and gives it back whole and in part', async () => {
    const shelf = open();
    expect(await shelf.write('a', pieces('one\n', 'zwölf\n'))).toBe(11);
    expect(await textOf(shelf.read('a'))).toBe('one\nzwölf\n');
    expect(await textOf(shelf.read('a', { start: 1, end: 2 }))).toBe('ne');
    expect(String(await shelf.slice('a', 4, 6))).toBe('zwölf');
    await shelf.remove('a');
    await shelf.remove('a');
    expect(readdirSync(shelf.folder)).toEqual([]);
  });

  it('writes a file anew under the same name', async () => {
    const shelf = open();
    await shelf.write('a', pieces('first and long'));
    await shelf.write('a', pieces('second'));
    expect(await textOf(shelf.read('a'))).toBe('second');
  });

  it('leaves nothing of a file that is too large, or whose source breaks off', async () => {
    const shelf = open();
    await expect(shelf.write('a', pieces('123', '456'), 5)).rejects.toMatchObject({ code: 'payload_too_large' });
    async function* broken() {
      yield 'half';
      throw new Error('the client has left');
    }
    await expect(shelf.write('a', broken())).rejects.toThrow(/the client has left/);
    expect(readdirSync(shelf.folder)).toEqual([]);
  });

  it('says that the disk is full, and leaves what was there before', async () => {
    const shelf = open();
    await shelf.write('a', pieces('before'));
    symlinkSync('/dev/full', `${shelf.pathOf('a')}.part`);
    await expect(shelf.write('a', pieces('after'))).rejects.toMatchObject({ code: 'disk_full' });
    expect(await textOf(shelf.read('a'))).toBe('before');
    expect(readdirSync(shelf.folder)).toEqual(['a']);
  });

  it('says what is wrong with a file that is shorter than it should be', async () => {
    const shelf = open();
    await shelf.write('a', pieces('short'));
    await expect(shelf.slice('a', 3, 10)).rejects.toThrow(/it ends 8 bytes too early/);
    await expect(shelf.slice('b', 0, 1)).rejects.toMatchObject({ code: 'store_failed' });
  });

  it('sweeps away what the last process left and nobody knows', async () => {
    const before = open();
    await before.write('a', pieces('known'));
    await before.write('b', pieces('without a row'));
    writeFileSync(`${before.pathOf('c')}.part`, 'half');
    const shelf = openFileShelf(before.folder);
    expect(await shelf.sweep((id) => id === 'a')).toBe(2);
    expect(readdirSync(shelf.folder)).toEqual(['a']);
  });

  it('leaves what comes in while it sweeps, which has no row yet', async () => {
    const before = open();
    await before.write('output', pieces('of a batch that was not finished'));
    const shelf = openFileShelf(before.folder);
    async function* upload() {
      yield 'first ';
      await shelf.sweep(() => false);
      yield 'last';
    }
    await shelf.write('output', pieces('written again'));
    await shelf.write('upload', upload());
    expect(await textOf(shelf.read('upload'))).toBe('first last');
    expect(readdirSync(shelf.folder)).toEqual(['output', 'upload']);
  });
});
