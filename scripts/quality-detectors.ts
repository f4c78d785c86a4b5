/*
 * How often the degeneration detectors err: false alarms on good answers, and how much of each kind of falling apart
 * they find, with Wilson's 95 % intervals. Thresholds were chosen looking at `good-calibration.txt` and the calibration
 * kinds. A first look at `good-held-out.txt` led to two changes (docs/benchmarks.md), so it no longer counts; what counts
 * is `good-held-out-2.txt`, written afterwards and only read.
 *
 *   npx tsx scripts/quality-detectors.ts [--json]      exit code 1 where a bar is missed on held-out-2
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/core/package-root.ts';
import { wilsonInterval } from '../src/core/stats.ts';
import {
  DEGENERATION_SIGNS,
  type DegenerationSign,
  findDegeneration,
  learnReference,
} from '../src/quality/detect-degeneration.ts';
import type { ProbeLanguage } from '../src/quality/language.ts';
import { CALIBRATION_RUINS, HELD_OUT_RUINS, type Ruin, ruinAll } from './quality-samples/degenerate.ts';
import { type GoodAnswer, readGoodAnswers } from './quality-samples/good-answers.ts';

/** Share of good answers that may be flagged. */
const FALSE_ALARMS_MAX = 0.05;
/** Share of ruined answers each detector must find, of those it says it can judge. */
const RECALL_MIN: Readonly<Record<DegenerationSign, number>> = {
  loop: 0.95,
  'word salad': 0.85,
  'letter noise': 0.95,
  'broken characters': 0.95,
  'runs on': 0.99,
  'wrong language': 0.9,
  // Not a matter of the text but of the engine's word for why it stopped.
  'no end': 1,
  empty: 1,
};
/** Word order is judged in these languages and from so many words on; letters and characters from so many on. */
const ORDER_LANGUAGES = ['en', 'de'];
const PROBE_LANGUAGES: readonly ProbeLanguage[] = ['en', 'de'];
const ORDER_WORDS_MIN = 40;
const LETTERS_MIN = 80;
const CHARACTERS_MIN = 250;
/** Kinds of answers whose words need not stand in sentences. */
const NO_PROSE = ['code', 'table', 'extract'];
const SEED = 20_261;
const DRAWS = 10;

type Row = {
  readonly what: string;
  readonly sign: DegenerationSign | 'any';
  /** Answers; of ruined ones the mean over the draws, so that the interval counts each answer once. */
  readonly flagged: number;
  readonly n: number;
  readonly bar: number;
  readonly wrong: readonly string[];
};

const root = packageRoot();
const reference = learnReference(readFileSync(join(root, 'src/quality/reference-text.txt'), 'utf8'));
const sets = [
  { name: 'calibration', ruins: CALIBRATION_RUINS },
  { name: 'held-out', ruins: [...CALIBRATION_RUINS, ...HELD_OUT_RUINS] },
  { name: 'held-out-2', ruins: [...CALIBRATION_RUINS, ...HELD_OUT_RUINS] },
].map(({ name, ruins }) => {
  const answers = readGoodAnswers(join(root, `test/fixtures/quality/good-${name}.txt`));
  return {
    name,
    falseAlarms: falseAlarms(answers),
    recall: [...recall(answers, ruins), ...PROBE_LANGUAGES.map((one) => foreignRecall(answers, one))],
  };
});

if (process.argv.includes('--json')) console.log(JSON.stringify(sets, null, 2));
else for (const set of sets) print(set);
const counted = sets.find(({ name }) => name === 'held-out-2');
if (counted === undefined || missed(counted).length > 0) process.exitCode = 1;

function falseAlarms(answers: readonly GoodAnswer[]): readonly Row[] {
  const found = answers.map(({ id, language, text }) => {
    const asked = PROBE_LANGUAGES.find((one) => one === language);
    return { id, sign: findDegeneration(text, reference, { language: asked })?.sign };
  });
  const row = (sign: Row['sign']): Row => {
    const hits = found.filter((one) => one.sign !== undefined && (sign === 'any' || one.sign === sign));
    const what = sign === 'any' ? 'by any detector' : `by ${sign}`;
    const wrong = hits.map(({ id }) => id);
    return { what, sign, flagged: hits.length, n: answers.length, bar: FALSE_ALARMS_MAX, wrong };
  };
  return [row('any'), ...DEGENERATION_SIGNS.map(row)];
}

function recall(answers: readonly GoodAnswer[], ruins: readonly Ruin[]): readonly Row[] {
  return ruins.flatMap((ruin) => {
    const judged = answers.filter((answer) => canJudge(ruin.sign, answer));
    const row = recallOf(ruin.kind, ruin, judged);
    if (ruin.kind !== 'shuffles words') return [row];
    const byLanguage = ORDER_LANGUAGES.map((one) => {
      const group = judged.filter(({ language }) => language === one);
      return { ...recallOf(`  of these ${one}`, ruin, group), bar: 0 };
    });
    return [row, ...byLanguage];
  });
}

// Each answer is ruined several times, because one shuffle of 40 words may hit on sentences by chance.
function recallOf(what: string, ruin: Ruin, judged: readonly GoodAnswer[]): Row {
  const draws = Array.from({ length: DRAWS }, (_, draw) => ruinAll(ruin, judged, SEED + draw));
  const wrong = draws.flat().filter(({ text }) => findDegeneration(text, reference) === undefined);
  const flagged = judged.length - wrong.length / DRAWS;
  const { sign } = ruin;
  return { what, sign, flagged, n: judged.length, bar: RECALL_MIN[sign], wrong: [...new Set(idsOf(wrong))] };
}

// Answers in every other language to a question in this one.
function foreignRecall(answers: readonly GoodAnswer[], asked: ProbeLanguage): Row {
  const judged = answers.filter((answer) => answer.language !== asked && isLongEnough(answer));
  const wrong = judged.filter(({ text }) => findDegeneration(text, reference, { language: asked }) === undefined);
  const sign = 'wrong language';
  const flagged = judged.length - wrong.length;
  return { what: `other than ${asked}`, sign, flagged, n: judged.length, bar: RECALL_MIN[sign], wrong: idsOf(wrong) };
}

// Prose of thirty words, or of as much in a script without spaces.
function isLongEnough({ kind, text }: GoodAnswer): boolean {
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  return (
    !NO_PROSE.includes(kind) &&
    ((text.match(/[\p{L}']+/gu)?.length ?? 0) >= 30 || !/[a-z]{3}/i.test(text)) &&
    letters >= 20
  );
}

function idsOf(samples: readonly { readonly id: string }[]): readonly string[] {
  return samples.map(({ id }) => id);
}

function canJudge(sign: DegenerationSign, { language, kind, text }: GoodAnswer): boolean {
  if (sign === 'word salad') {
    if (!ORDER_LANGUAGES.includes(language) || NO_PROSE.includes(kind)) return false;
    return (text.match(/\p{L}[\p{L}']*/gu)?.length ?? 0) >= ORDER_WORDS_MIN;
  }
  if (sign === 'letter noise') return (text.match(/[a-z]/gi)?.length ?? 0) >= LETTERS_MIN;
  if (sign === 'broken characters') return text.length >= CHARACTERS_MIN;
  return true;
}

function missed({ falseAlarms: alarms, recall: found }: (typeof sets)[number]): readonly Row[] {
  const tooMany = alarms.slice(0, 1).filter(({ flagged, n, bar }) => flagged > n * bar);
  return [...tooMany, ...found.filter(({ flagged, n, bar }) => flagged < n * bar)];
}

function print(set: (typeof sets)[number]): void {
  const failed = missed(set);
  const line = (row: Row) => {
    const { low, high } = wilsonInterval(row.flagged, row.n);
    const share = `${((100 * row.flagged) / row.n).toFixed(1)} %`.padStart(8);
    const interval = `${(100 * low).toFixed(1)}-${(100 * high).toFixed(1)} %`.padEnd(13);
    const wrong = row.wrong.length === 0 ? '' : `(${row.wrong.slice(0, 6).join(', ')})`;
    const counts = `${Number(row.flagged.toFixed(1))} of ${row.n}`.padStart(10);
    console.log(`  ${failed.includes(row) ? '✗' : ' '} ${row.what.padEnd(24)}${counts}${share}  ${interval} ${wrong}`);
  };
  console.log(`\n${set.name}: good answers flagged (at most ${100 * FALSE_ALARMS_MAX} %)`);
  for (const row of set.falseAlarms) line(row);
  for (const sign of DEGENERATION_SIGNS) {
    const rows = set.recall.filter((row) => row.sign === sign);
    if (rows.length === 0) continue;
    console.log(`${set.name}: ${sign} found (at least ${100 * RECALL_MIN[sign]} % of what can be judged)`);
    for (const row of rows) line(row);
  }
}
