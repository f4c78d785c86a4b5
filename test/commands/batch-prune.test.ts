import { describe, expect, it } from 'vitest';
import { choosePruned } from '../../src/commands/batch-prune.ts';
import { batchAnswer } from '../helpers/batch-answer.ts';

const ended = (id: string, seconds: number, input = `${id}-in`) =>
  batchAnswer({
    ...{ id, status: 'completed', completed_at: seconds, input_file_id: input },
    ...{ output_file_id: `${id}-out`, error_file_id: null },
  });
const file = (id: string, bytes: number) => ({ id, bytes, filename: id, created_at: 0 });

describe('choosePruned', () => {
  it('takes what ended before, oldest first, with the sizes of its files', () => {
    const batches = [batchAnswer({ id: 'open' }), ended('new', 200), ended('b', 99), ended('a', 50)];
    const files = [file('a-in', 1), file('a-out', 10), file('b-in', 100), file('b-out', 1000), file('new-in', 5)];
    expect(choosePruned(batches, files, 100_000)).toEqual([
      { batch: batches[3], input: 'a-in', bytes: 11 },
      { batch: batches[2], input: 'b-in', bytes: 1100 },
    ]);
  });

  it('leaves an input that a batch which stays was made of', () => {
    const files = [file('in', 1), file('a-out', 10)];
    const again = [batchAnswer({ id: 'open', input_file_id: 'in' }), ended('a', 50, 'in')];
    expect(choosePruned(again, files, 100_000)).toEqual([{ batch: again[1], input: undefined, bytes: 10 }]);
  });

  it('deletes an input of two batches once, and none that is gone', () => {
    const twice = [ended('b', 60, 'in'), ended('a', 50, 'in')];
    expect(choosePruned(twice, [file('in', 1)], 100_000).map(({ input }) => input)).toEqual(['in', undefined]);
    expect(choosePruned(twice, [], 100_000).map(({ input, bytes }) => [input, bytes])).toEqual([
      [undefined, 0],
      [undefined, 0],
    ]);
  });
});
