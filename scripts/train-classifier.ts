/**
 * Trains the classifier from the corpus, writes its weights into the package and a report beside the other results.
 *
 *   npx tsx scripts/train-classifier.ts            train, write src/classify/linear/weights.bin and bench-results/routing
 *   npx tsx scripts/train-classifier.ts --check    train and compare with the weights in the package, write nothing
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { type Example, parseCorpus } from '../src/classify/linear/corpus.ts';
import { countLabels, type Evaluation, evaluate } from '../src/classify/linear/evaluate.ts';
import { CONFIDENCE, fitModel } from '../src/classify/linear/fit-model.ts';
import { guessLinear, type LinearModel } from '../src/classify/linear/model.ts';
import { nearestNeighbours } from '../src/classify/linear/neighbours.ts';
import { encodeWeights } from '../src/classify/linear/weights-file.ts';
import { detectTask } from '../src/classify/task.ts';
import { MODEL_CLASSES } from '../src/core/classes.ts';
import { systemClock } from '../src/core/clock.ts';
import { packageRoot } from '../src/core/package-root.ts';
import type { RequestFacts } from '../src/core/request.ts';
import { percentileSorted } from '../src/core/stats.ts';

const ROOT = packageRoot();
const CORPUS = join(ROOT, 'src/classify/linear/corpus');
const WEIGHTS = join(ROOT, 'src/classify/linear/weights.bin');
const REPORT = join(ROOT, 'bench-results/routing');
/** A held-out text more alike than this to a training text would be a repetition, not a test. */
const SIMILARITY_MAX = 0.6;
const BARS = { class: 0.9, task: 0.85, microseconds: 100, bytes: 1_000_000 };

const read = (name: string): Example[] => parseCorpus(readFileSync(join(CORPUS, name), 'utf8'), name);
const percent = (share: number | undefined): string => (share === undefined ? '–' : `${(100 * share).toFixed(1)} %`);

/** Share of the tasks that the keyword list names, for comparison. */
function keywordAccuracy(examples: readonly Example[]): number {
  const right = examples.filter(({ input, task }) => {
    const { text, responseFormat } = input;
    return detectTask({ lastUserText: text, responseFormat } as RequestFacts).task === task;
  });
  return right.length / examples.length;
}

/** Microseconds of one guess, features included, over the held-out requests in turn; the first round is not counted. */
function timeGuesses(model: LinearModel, examples: readonly Example[]) {
  const times: number[] = [];
  for (let round = 0; round < 20; round += 1) {
    for (const { input } of examples) {
      const start = systemClock.monotonicMs();
      guessLinear(model, input);
      if (round > 0) times.push((systemClock.monotonicMs() - start) * 1000);
    }
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => Math.round(10 * (percentileSorted(times, share) ?? Number.NaN)) / 10;
  return { n: times.length, p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}

function describe(name: string, found: Evaluation): string[] {
  const { confident } = found;
  return [
    `## ${name} (${found.n} requests)`,
    '',
    '| | all | told with p ≥ 0.6 | share of those | calibration error |',
    '|---|---|---|---|---|',
    `| task | ${percent(found.taskAccuracy)} | ${percent(confident.task.accuracy)} | ${percent(confident.task.share)} | ${percent(found.taskCalibrationError)} |`,
    `| class | ${percent(found.classAccuracy)} | ${percent(confident.class.accuracy)} | ${percent(confident.class.share)} | ${percent(found.classCalibrationError)} |`,
    '',
    `| class, true ↓ guessed → | ${MODEL_CLASSES.join(' | ')} | found |`,
    `|---|${'---|'.repeat(MODEL_CLASSES.length + 1)}`,
    ...MODEL_CLASSES.map((name, row) => {
      const counts = found.confusion[row] ?? [];
      const sum = counts.reduce((total, count) => total + count, 0);
      return `| ${name} | ${counts.join(' | ')} | ${percent(sum === 0 ? undefined : (counts[row] ?? 0) / sum)} |`;
    }),
    '',
  ];
}

const splits = {
  training: read('train.jsonl'),
  validation: read('validation.jsonl'),
  heldOut: read('held-out.jsonl'),
  own: [],
};
const neighbours = nearestNeighbours(splits.heldOut, [...splits.training, ...splits.validation]);
const tooNear = neighbours.filter(({ similarity }) => similarity >= SIMILARITY_MAX);
for (const { similarity, text, nearest } of tooNear) {
  console.error(
    `too alike (${similarity.toFixed(2)}): ${JSON.stringify(text.slice(0, 120))} and ${JSON.stringify(nearest.slice(0, 120))}`,
  );
}
const { stored, validation, heldOut } = await fitModel(splits);
const bytes = encodeWeights(stored);
const keywords = keywordAccuracy(splits.heldOut);
const times = timeGuesses(stored.model, splits.heldOut);
const languages = ['en', 'de', 'zh'].map((language) => {
  const lines = readFileSync(join(CORPUS, 'held-out.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line.includes(`"language":"${language}"`));
  const examples = parseCorpus(lines.join('\n'), 'held-out.jsonl');
  return { language, ...evaluate(examples, ({ input }) => guessLinear(stored.model, input), CONFIDENCE) };
});
const all = [...splits.training, ...splits.validation, ...splits.heldOut];
const report = [
  '# The linear classifier',
  '',
  'Made by `npx tsx scripts/train-classifier.ts` from the corpus in `src/classify/linear/corpus`, whose README says how it was',
  "labelled. The labels are one author's: these figures say how well the classifier agrees with the labelling guide on",
  'requests written by the same hand, not how well it fits your traffic. `sluice train` measures that on your own labels.',
  '',
  `${all.length} requests: ${splits.training.length} training, ${splits.validation.length} validation, ${splits.heldOut.length} held out. The most alike pair across that border shares ${percent(neighbours[0]?.similarity)} of its words and word pairs (bound ${percent(SIMILARITY_MAX)}).`,
  `Temperatures ${stored.model.taskTemperature.toFixed(2)} (task) and ${stored.model.classTemperature.toFixed(2)} (class). Weights ${(bytes.length / 1000).toFixed(0)} kB.`,
  `One guess, features included: p50 ${times.p50} µs, p90 ${times.p90} µs, p99 ${times.p99} µs (${times.n} guesses, ${cpus()[0]?.model.trim()}, shared).`,
  `The keyword list alone names ${percent(keywords)} of the held-out tasks.`,
  '',
  `| bar | asked | reached |`,
  '|---|---|---|',
  `| class, held out | ≥ ${percent(BARS.class)} | ${percent(heldOut.classAccuracy)} |`,
  `| task, held out | ≥ ${percent(BARS.task)} | ${percent(heldOut.taskAccuracy)} |`,
  `| time, p50 | ≤ ${BARS.microseconds} µs | ${times.p50} µs |`,
  `| weights | ≤ 1 MB | ${(bytes.length / 1e6).toFixed(2)} MB |`,
  '',
  ...describe('Held out', heldOut),
  '| language | n | task | class |',
  '|---|---|---|---|',
  ...languages.map(
    (found) => `| ${found.language} | ${found.n} | ${percent(found.taskAccuracy)} | ${percent(found.classAccuracy)} |`,
  ),
  '',
  ...describe('Validation, before it joined the training', validation),
].join('\n');
console.log(report);

if (process.argv.includes('--check')) {
  const same = readFileSync(WEIGHTS).equals(bytes);
  console.log(
    same ? 'The weights in the package are these.' : 'The weights in the package are OTHERS: run without --check.',
  );
  if (!same) process.exitCode = 1;
} else {
  mkdirSync(REPORT, { recursive: true });
  writeFileSync(WEIGHTS, bytes);
  writeFileSync(join(REPORT, 'classifier-linear.md'), report);
  const figures = {
    examples: countLabels(all),
    similarityMax: neighbours[0]?.similarity,
    keywords,
    times,
    validation,
    heldOut,
    languages,
  };
  writeFileSync(join(REPORT, 'classifier-linear.json'), `${JSON.stringify(figures, null, 2)}\n`);
}
if (tooNear.length > 0) process.exitCode = 1;
