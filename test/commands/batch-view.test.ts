import { describe, expect, it } from 'vitest';
import {
  batchRow,
  describeBatch,
  endOf,
  faultLines,
  forecastOf,
  isAllDone,
  timeText,
  watchLine,
} from '../../src/commands/batch-view.ts';
import { batchAnswer } from '../helpers/batch-answer.ts';

const NOW = Date.UTC(2026, 10, 21, 22);
const hours = (count: number) => NOW + count * 3_600_000;
const at = (timeMs: number) => timeText(timeMs, NOW);
const DEADLINE = at(hours(9));
const counts = (completed: number, failed = 0) => ({ total: 60, completed, failed });
const planned = { planned: { big: 40, small: 8 }, in_time: 60, predicted_finish: new Date(hours(7)).toISOString() };

describe('describeBatch', () => {
  it('says how far it is, how fast, and when it ends', () => {
    const batch = batchAnswer({
      request_counts: counts(12, 1),
      x_router: { ...planned, state: 'running', promised: true, items_per_hour: 14.2, lost_ms: 182_000, preempted: 4 },
    });
    expect(describeBatch(batch, NOW)).toEqual([
      'batch_1: in_progress, running',
      '  [#####-------------------] 13 of 60 (22 %), 1 failed',
      `  14.2 items/h; finishes about ${at(hours(7))}, promised by ${DEADLINE}`,
      '  planned: big 40, small 8',
      '  made way for people 4 times, 182 s of work to be done again',
    ]);
  });

  it('names what is in the way', () => {
    const batch = batchAnswer({ x_router: { state: 'running', paused: 'the disk is full' } });
    expect(describeBatch(batch, NOW)).toContain('  paused: the disk is full');
  });

  it('says how to fetch what an ended one has brought', () => {
    const batch = batchAnswer({
      ...{ status: 'completed', completed_at: hours(-1) / 1000, output_file_id: 'file-o', error_file_id: 'file-e' },
      request_counts: counts(58, 2),
    });
    expect(describeBatch(batch, NOW)).toEqual([
      `batch_1: completed, ${at(hours(-1))}`,
      '  [########################] 60 of 60 (100 %), 2 failed',
      '  answers: sluice batch results batch_1',
      '  errors: sluice batch results batch_1 --errors',
    ]);
  });

  it('lists what is wrong with lines that cannot be used', () => {
    const errors = { data: [{ line: 7, code: 'x', message: 'no JSON' }] };
    const batch = batchAnswer({ status: 'failed', failed_at: hours(0) / 1000, errors });
    expect(describeBatch(batch, NOW)).toEqual([`batch_1: failed, ${at(NOW)}`, '  the input:7: no JSON']);
  });

  it('shows no bar before the lines are counted', () => {
    const batch = batchAnswer({ status: 'validating', request_counts: { total: 0, completed: 0, failed: 0 } });
    expect(describeBatch(batch, NOW)[1]).toBe('  its lines are being checked');
  });
});

describe('forecastOf', () => {
  const forecast = (x_router: Parameters<typeof batchAnswer>[0]) => forecastOf(batchAnswer(x_router), NOW);
  it.each([
    ['late', { ...planned, in_time: 41 }, `will not finish by ${DEADLINE}: 41 of 60`],
    [
      'close',
      { ...planned, promised: false },
      `finishes about ${at(hours(7))}; that is too close to ${DEADLINE} for a promise`,
    ],
    ['promised', { ...planned, promised: true }, `finishes about ${at(hours(7))}, promised by ${DEADLINE}`],
    ['endless', { ...planned, predicted_finish: null }, 'no end can be predicted'],
    ['not planned yet', { planned: {}, in_time: 0, predicted_finish: null }, undefined],
    ['not looked at yet', {}, undefined],
  ])('of a batch that is %s', (_, x_router, text) => {
    expect(forecast({ x_router })).toBe(text);
  });

  it('of one that has ended is nothing', () => {
    expect(forecast({ status: 'expired', x_router: planned })).toBeUndefined();
  });
});

describe('watchLine', () => {
  const key = (given: Parameters<typeof batchAnswer>[0]) => watchLine(batchAnswer(given), NOW).key;

  it('is one line', () => {
    const { text } = watchLine(
      batchAnswer({ request_counts: counts(30), x_router: { ...planned, state: 'running', items_per_hour: 512.4 } }),
      NOW,
    );
    expect(text).toBe(
      `batch_1: [############------------] 30 of 60 (50 %); 512 items/h; finishes about ${at(hours(7))}; that is too close to ${DEADLINE} for a promise`,
    );
  });

  it('is worth another line of a log every tenth and when the state changes, not when a time runs down', () => {
    const waits = (left: string) => ({ x_router: { state: `waits for its window, which opens in ${left}` } });
    expect(key(waits('121 s'))).toBe(key(waits('120 s')));
    expect(key(waits('121 s'))).not.toBe(key({ x_router: { state: 'running' } }));
    expect(key({ request_counts: counts(6) })).toBe(key({ request_counts: counts(11) }));
    expect(key({ request_counts: counts(6) })).not.toBe(key({ request_counts: counts(12) }));
    expect(key({ request_counts: counts(6) })).not.toBe(key({ request_counts: counts(6, 1) }));
  });
});

describe('faultLines', () => {
  it('lists twenty at most and counts the rest', () => {
    const faults = Array.from({ length: 23 }, (_, n) => ({ line: n + 1, code: 'x', message: 'wrong' }));
    const lines = faultLines('night.jsonl', faults);
    expect(lines).toHaveLength(21);
    expect(lines[19]).toBe('night.jsonl:20: wrong');
    expect(lines[20]).toBe('and 3 more');
    expect(faultLines('night.jsonl', faults.slice(0, 20))).toHaveLength(20);
    expect(faultLines('a', [{ line: null, code: 'empty_file', message: 'the file has no line' }])).toEqual([
      'a: the file has no line',
    ]);
  });
});

describe('batchRow', () => {
  it('shows deadline or end, and sizes', () => {
    expect(batchRow(batchAnswer({ request_counts: counts(3, 1) }), 1500, NOW)).toEqual([
      ...['batch_1', 'in_progress', '3/60', '1', at(hours(-2)), DEADLINE, '1.50 KB'],
    ]);
    const ended = batchAnswer({ status: 'cancelled', cancelled_at: hours(-1) / 1000 });
    expect(batchRow(ended, 0, NOW)[5]).toBe(at(hours(-1)));
  });
});

describe('timeText', () => {
  it('names the day where a time of day alone could mean another one', () => {
    expect(at(hours(17))).toMatch(/^\d\d:\d\d$/);
    expect(at(hours(-17))).toMatch(/^\d\d:\d\d$/);
    expect(at(hours(24))).toMatch(/^2026-11-2[123] \d\d:\d\d$/);
  });
});

describe('isAllDone', () => {
  it.each([
    ['completed', 0, true],
    ['completed', 1, false],
    ['expired', 0, false],
    ['cancelled', 0, false],
    ['failed', 0, false],
  ] as const)('%s with %i failed lines: %s', (status, failed, done) => {
    expect(isAllDone(batchAnswer({ status, request_counts: counts(60 - failed, failed) }))).toBe(done);
  });
});

describe('endOf', () => {
  it('is there once nothing happens any more', () => {
    expect(endOf(batchAnswer())).toBeUndefined();
    expect(endOf(batchAnswer({ status: 'expired', expired_at: 5 }))).toBe(5000);
  });
});
