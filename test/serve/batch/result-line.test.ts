import { describe, expect, it } from 'vitest';
import type { ClaimedJob } from '../../../src/core/batch.ts';
import { modelId } from '../../../src/core/ids.ts';
import type { Item } from '../../../src/serve/batch/item.ts';
import { resultLine } from '../../../src/serve/batch/result-line.ts';

const item = (job: Partial<ClaimedJob>, more: Partial<Item> = {}): Item =>
  ({
    batch: { id: 'batch_7' },
    job: { line: 3, customId: 'c', attempts: 1, lostMs: 0, ...job },
    model: modelId('small'),
    ...more,
  }) as Item;
const answer = (body: object, lostMs = 0) => ({ status: 200, body: JSON.stringify(body, null, 2), lostMs });
const bodyOf = (line: string) => JSON.parse(line).response.body;

describe('a line of the output file', () => {
  it('is one line, names its request and keeps what the reply says', () => {
    const line = resultLine(item({}), answer({ text: 'a\nb', x_router: { model: 'small', attempts: 1 } }));
    expect(line).not.toContain('\n');
    expect(JSON.parse(line)).toEqual({
      id: 'batch_req_7_3',
      custom_id: 'c',
      response: {
        status_code: 200,
        request_id: 'batch_req_7_3',
        body: { text: 'a\nb', x_router: { model: 'small', attempts: 1 } },
      },
      error: null,
    });
  });

  it('counts every begin, those of processes that died and those within this one', () => {
    expect(bodyOf(resultLine(item({ attempts: 3 }), answer({ x_router: { attempts: 2 } }))).x_router.attempts).toBe(4);
    expect(bodyOf(resultLine(item({ attempts: 3 }), answer({ error: {} }))).x_router).toEqual({ attempts: 3 });
  });

  it('says what was lost, where anything was', () => {
    expect(bodyOf(resultLine(item({ lostMs: 1200.4 }), answer({}, 99.2))).x_router.lost_ms).toBe(1300);
    expect(bodyOf(resultLine(item({}), answer({}))).x_router).not.toHaveProperty('lost_ms');
  });

  it('says which model it would have had', () => {
    const line = resultLine(item({}, { insteadOf: modelId('large') }), answer({}));
    expect(bodyOf(line).x_router).toMatchObject({ instead_of: 'large', reason: expect.stringContaining('deadline') });
  });
});
