import { describe, expect, it } from 'vitest';
import type { DayEntry } from '../../../scripts/board-checks/model-day.ts';
import type { ProbeOutcome } from '../../../scripts/board-checks/probe-types.ts';
import { type DayReport, isGood, renderReport, unknownLines } from '../../../scripts/board-checks/report.ts';

const PASS: ProbeOutcome = { kind: 'done', finding: { verdict: 'pass', values: { a: 'x|y\nz', b: 1.5 } }, log: [] };
const CRASH: ProbeOutcome = { kind: 'crashed', how: 'SIGSEGV', log: [] };
const entry = (outcome: ProbeOutcome, check = 'load'): DayEntry => ({
  model: 'm.rkllm',
  check,
  question: 'q?',
  outcome,
});

const report = (part: Partial<DayReport> = {}): DayReport => ({
  at: '2026-11-20T00:00:00.000Z',
  sluice: '0.1.0',
  simulated: false,
  machine: { architecture: 'arm64', model: 'A board' },
  state: { at: '2026-11-20T00:00:00.000Z', frequencies: [], temperatures: [] },
  checks: [{ id: 'chip', status: 'ok', found: 'RK3588', remedy: undefined }],
  entries: [entry(PASS)],
  unknownLines: [],
  ...part,
});

describe('isGood', () => {
  it.each([
    ['passes are good', {}, true],
    ['nothing asked is not', { entries: [] }, false],
    ['a crash is not', { entries: [entry(PASS), entry(CRASH)] }, false],
    ['a crash that is an answer is', { entries: [entry(CRASH, 'stack-128k')] }, true],
    ['a missing part is not', { checks: [{ id: 'x', status: 'missing', found: '', remedy: '' }] }, false],
  ] as const)('%s', (_, part, good) => {
    expect(isGood(report(part))).toBe(good);
  });
});

describe('unknownLines', () => {
  it('keeps the library’s lines that tell the parser nothing, each once', () => {
    const log = ['I rkllm: something new', 'I rkllm: something new', 'E rkllm: invalid rkllm model!', 'other output'];
    expect(unknownLines([entry({ ...PASS, log })])).toEqual(['I rkllm: something new']);
  });
});

describe('renderReport', () => {
  it('keeps tables whole', () => {
    const text = renderReport(report({ unknownLines: ['I rkllm: new'] }));
    expect(text).toContain('| load | pass | q? | a "x\\|y\\nz", b 1.5 |');
    expect(text).toContain('```\nI rkllm: new\n```');
    expect(text).not.toContain('SIMULATED');
  });

  it('says in bold that a rehearsal is no measurement', () => {
    expect(renderReport(report({ simulated: true }))).toContain('**SIMULATED');
  });
});
