import { CLIENTS, type Column, columnsOf, FEATURES, type Feature, gapOf, RUNTIMES, remarkOn } from './grid.ts';

const BEGIN = '<!-- Written by test/e2e/conformance.test.ts; change it there. -->';
const END = '<!-- End of what the test writes. -->';

/** Whether a cell's test has passed. */
export type HasPassed = (feature: Feature, column: Column) => boolean;

/** True for every cell that has a test: the table as it ought to be. */
export const declared: HasPassed = (feature, column) => columnsOf(feature).some((one) => isSame(one, column));

const isSame = (one: Column, other: Column): boolean => one.client === other.client && one.runtime === other.runtime;

/** A document with its table of clients and features written anew. Throws where the document has no place for it. */
export function withGrid(document: string, hasPassed: HasPassed): string {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (from === -1 || to < from) throw new Error(`the document has no lines "${BEGIN}" and "${END}", in this order`);
  return `${document.slice(0, from)}${BEGIN}\n\n${tableOf(hasPassed)}\n\n${document.slice(to)}`;
}

function tableOf(hasPassed: HasPassed): string {
  const notes: string[] = [];
  const noted = (mark: string, note: string | undefined): string => {
    if (note === undefined) return mark;
    if (!notes.includes(note)) notes.push(note);
    return `${mark}[${notes.indexOf(note) + 1}]`;
  };
  const cell = (feature: Feature, column: Column): string => {
    const gap = gapOf(feature, column);
    if (gap !== undefined) return noted('–', gap);
    if (!hasPassed(feature, column)) return '✗';
    const remark = remarkOn(feature, column);
    return remark === undefined ? '✓' : noted(remark.mark, remark.note);
  };
  const rows = FEATURES.map((feature) => {
    const cells = CLIENTS.map((client) => {
      const both = RUNTIMES.map((runtime) => cell(feature, { client, runtime }));
      // A gap is the client's, whatever the runtime.
      return both[0]?.startsWith('–') ? both[0] : both.join(' ');
    });
    return `| ${feature} | ${cells.join(' | ')} |`;
  });
  const head = `| a client that … | ${CLIENTS.join(' | ')} |\n|---|${'---|'.repeat(CLIENTS.length)}`;
  return [head, ...rows, '', ...notes.map((note, at) => `${at === 0 ? '' : '\n'}[${at + 1}] ${note}`)].join('\n');
}
