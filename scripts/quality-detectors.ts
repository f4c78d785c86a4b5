/*
 * How often the degeneration detectors err: false alarms on good answers, and how much of each kind of falling apart
 * they find. Thresholds were chosen looking at `good-calibration.txt`; what counts is `good-held-out.txt`.
 *
 *   npx tsx scripts/quality-detectors.ts [--json]      exit code 1 where a bar is missed on the held-out answers
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/core/package-root.ts';
import { findDegeneration, learnReference } from '../src/quality/detect-degeneration.ts';
import { DEGENERATIONS, seededRandom } from './quality-samples/degenerate.ts';
import { type GoodAnswer, readGoodAnswers } from './quality-samples/good-answers.ts';

/** Share of good answers that may be flagged, and of degenerate ones that must be. */
const FALSE_ALARMS_MAX = 0.05;
const RECALL_MIN: Readonly<Record<string, number>> = {
  loops: 0.99,
  shuffles: 0.9,
  draws: 0.9,
  types: 0.99,
  breaks: 0.99,
};

type Row = { readonly what: string; readonly flagged: number; readonly n: number; readonly missed: readonly string[] };

const root = packageRoot();
const reference = learnReference(readFileSync(join(root, 'src/quality/reference-text.txt'), 'utf8'));
const sets = ['calibration', 'held-out']
  .map((name) => ({ name, file: join(root, `test/fixtures/quality/good-${name}.txt`) }))
  .filter(({ file }) => existsSync(file))
  .map(({ name, file }) => ({ name, rows: judge(readGoodAnswers(file)) }));

if (process.argv.includes('--json')) console.log(JSON.stringify(sets, null, 2));
else for (const { name, rows } of sets) print(name, rows);
const heldOut = sets.find(({ name }) => name === 'held-out');
if (heldOut === undefined || !heldOut.rows.every(meetsBar)) process.exitCode = 1;

function judge(answers: readonly GoodAnswer[]): readonly Row[] {
  const flaggedOf = (what: string, texts: readonly { id: string; text: string }[]): Row => {
    const flagged = texts.filter(({ text }) => findDegeneration(text, reference) !== undefined);
    const wrong = what === 'good answers' ? flagged : texts.filter((sample) => !flagged.includes(sample));
    return { what, flagged: flagged.length, n: texts.length, missed: wrong.map(({ id }) => id) };
  };
  const degenerate = Object.entries(DEGENERATIONS).map(([kind, ruin]) => {
    const random = seededRandom(kind.length * 7919);
    return flaggedOf(
      kind,
      answers.map(({ id, text }) => ({ id, text: ruin(text, random) })),
    );
  });
  return [flaggedOf('good answers', answers), ...degenerate];
}

function meetsBar({ what, flagged, n }: Row): boolean {
  if (what === 'good answers') return flagged <= n * FALSE_ALARMS_MAX;
  const least = RECALL_MIN[what.split(' ')[0] ?? ''];
  return least === undefined || flagged >= n * least;
}

function print(name: string, rows: readonly Row[]): void {
  console.log(`${name}:`);
  for (const row of rows) {
    const share = `${((100 * row.flagged) / row.n).toFixed(1)} %`.padStart(8);
    const wrong = row.missed.length === 0 ? '' : `  (${row.missed.slice(0, 8).join(', ')})`;
    console.log(`  ${row.what.padEnd(24)} flagged ${String(row.flagged).padStart(3)} of ${row.n} ${share}${wrong}`);
  }
}
