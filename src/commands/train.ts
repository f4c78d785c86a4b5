import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type Example, parseCorpus } from '../classify/linear/corpus.ts';
import { countLabels, evaluate } from '../classify/linear/evaluate.ts';
import { CONFIDENCE, FIT_EPOCHS, fitModel } from '../classify/linear/fit-model.ts';
import { guessLinear, type LinearModel } from '../classify/linear/model.ts';
import { decodeWeights, encodeWeights } from '../classify/linear/weights-file.ts';
import { MODEL_CLASSES, TASKS } from '../core/classes.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import { packageRoot } from '../core/package-root.ts';
import { OWN_WEIGHTS_NAME, shippedWeightsFile } from '../transport/classifier-weights.ts';
import { formatTable } from './format-table.ts';

type TrainOptions = { readonly data: string; readonly eval?: true; readonly json?: true };

/** With fewer labels the accuracy on a fifth of them says nothing: ± 11 points at 200, ± 22 at 50. */
const LABELS_MIN = 200;
/** Every so many of the user's labels one is kept back and only judged. */
const KEPT_BACK_EVERY = 5;

/** Adds `sluice train <labels…>`: weights of the request classifier from the user's own labels. */
export function registerTrainCommand(program: Command): void {
  program
    .command('train')
    .description('train the request classifier on your own labelled requests')
    .argument('<labels...>', 'files of JSON lines, each {"text": "...", "task": "...", "class": "..."}')
    .option('--eval', 'only say how well the weights in force do on these labels, train nothing')
    .option('--json', 'print the figures as JSON')
    .addHelpText(
      'after',
      `
Tasks: ${TASKS.join(', ')}. Classes: ${MODEL_CLASSES.join(', ')}.
Optional fields: system, stream, max_tokens, tools, tool_loop, response_format, messages.
At least ${LABELS_MIN} labels are needed; they are joined to the corpus that comes with Sluice and count twice. One in
${KEPT_BACK_EVERY} is kept back to judge the result. The weights go into the data directory; a running gateway takes them over.`,
    )
    .action(async (files: string[], _: unknown, command: Command) => {
      const options: TrainOptions = command.optsWithGlobals();
      const labels = files.flatMap((file) => readLabels(file));
      if (options.eval === true) printEvaluation(labels, options);
      else await train(labels, options);
    });
}

function readLabels(file: string): readonly Example[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new GatewayError('usage', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
  return parseCorpus(text, file);
}

async function train(labels: readonly Example[], options: TrainOptions): Promise<void> {
  if (labels.length < LABELS_MIN) {
    const message = `${labels.length} labels are too few: at least ${LABELS_MIN} are needed before training beats the weights that come with Sluice; "sluice train --eval" judges those on your labels`;
    throw new GatewayError('invalid_request', message);
  }
  const shipped = readShippedCorpus();
  // In the order of the files, so that the same labels give the same weights and later ones do not change who is kept back.
  const keptBack = labels.filter((_, index) => index % KEPT_BACK_EVERY === KEPT_BACK_EVERY - 1);
  const own = labels.filter((_, index) => index % KEPT_BACK_EVERY !== KEPT_BACK_EVERY - 1);
  const progress = process.stderr.isTTY;
  const { stored, heldOut } = await fitModel({ ...shipped, own }, async (done) => {
    if (progress) process.stderr.write(`\r\x1b[Kepoch ${done} of ${FIT_EPOCHS}`);
    // An interrupt is heard between epochs.
    await new Promise<void>((resolve) => setImmediate(resolve));
  });
  if (progress) process.stderr.write('\r\x1b[K');
  const file = join(options.data, OWN_WEIGHTS_NAME);
  const before = judge(weightsInForce(options.data).model, keptBack);
  const after = judge(stored.model, keptBack);
  writeWhole(options.data, file, encodeWeights(stored));
  if (options.json === true) {
    console.log(
      JSON.stringify({ file, labels: labels.length, counts: countLabels(labels), before, after, heldOut }, null, 2),
    );
    return;
  }
  const rows = [
    ['your labels kept back, weights before', ...figures(before)],
    ['your labels kept back, weights now', ...figures(after)],
    ["Sluice's own held-out requests, weights now", ...figures(heldOut)],
  ];
  console.log(formatTable(['', 'n', 'task', 'class'], rows).join('\n'));
  console.log(`\nwritten to ${file}; delete it to go back to the weights that come with Sluice`);
}

function printEvaluation(labels: readonly Example[], options: TrainOptions): void {
  const { model, source } = weightsInForce(options.data);
  const found = judge(model, labels);
  if (options.json === true) {
    console.log(
      JSON.stringify({ weights: source, labels: labels.length, counts: countLabels(labels), ...found }, null, 2),
    );
    return;
  }
  console.log(formatTable(['', 'n', 'task', 'class'], [['your labels', ...figures(found)]]).join('\n'));
  const { task, class: byClass, threshold } = found.confident;
  console.log(
    `\nof the guesses with p >= ${threshold}: task ${percent(task.accuracy)} right (${percent(task.share)} of all), class ${percent(byClass.accuracy)} right (${percent(byClass.share)} of all)`,
  );
  const confusion = MODEL_CLASSES.map((name, row) => [name, ...(found.confusion[row] ?? []).map(String)]);
  console.log(`\n${formatTable(['labelled, guessed as:', ...MODEL_CLASSES], confusion).join('\n')}`);
  console.log(`\nweights: ${source}`);
}

const judge = (model: LinearModel, examples: readonly Example[]) =>
  evaluate(examples, ({ input }) => guessLinear(model, input), CONFIDENCE);

const figures = (found: ReturnType<typeof judge>): string[] => [
  String(found.n),
  percent(found.taskAccuracy),
  percent(found.classAccuracy),
];

const percent = (share: number | undefined): string => (share === undefined ? '-' : `${(100 * share).toFixed(1)} %`);

// The user's own weights where they can be read; broken ones are what training replaces.
function weightsInForce(dataDir: string): { readonly model: LinearModel; readonly source: string } {
  const own = join(dataDir, OWN_WEIGHTS_NAME);
  try {
    return { model: decodeWeights(readFileSync(own), own).model, source: own };
  } catch {
    const file = shippedWeightsFile();
    return { model: decodeWeights(readFileSync(file), file).model, source: 'the ones that come with Sluice' };
  }
}

function readShippedCorpus() {
  const folder = join(packageRoot(), 'src/classify/linear/corpus');
  const read = (name: string) => parseCorpus(readFileSync(join(folder, name), 'utf8'), name);
  return { training: read('train.jsonl'), validation: read('validation.jsonl'), heldOut: read('held-out.jsonl') };
}

// Renamed into place: a gateway that looks in between sees the old weights or the new ones, never half of them.
function writeWhole(folder: string, file: string, bytes: Buffer): void {
  mkdirSync(folder, { recursive: true });
  const partial = `${file}.new`;
  writeFileSync(partial, bytes);
  renameSync(partial, file);
}
