/*
 * A model as the classifier against the built-in linear one, on the held-out requests: how often each names task and
 * class as they are labelled, and how long it takes. The model is asked through a running gateway, with the very request
 * that `classify.model: <id>` sends, one after the other.
 *
 *   npx tsx scripts/compare-classifiers.ts --model ID [--url http://127.0.0.1:8080] [--limit 312] [--json]
 *
 * A demo model or the simulated NPU says one sentence whatever it is asked, so it names nothing: the figures mean
 * something only for a real model.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Example, parseCorpus } from '../src/classify/linear/corpus.ts';
import { guessLinear } from '../src/classify/linear/model.ts';
import { decodeWeights } from '../src/classify/linear/weights-file.ts';
import { systemClock } from '../src/core/clock.ts';
import type { Guess } from '../src/core/guess.ts';
import { packageRoot } from '../src/core/package-root.ts';
import { percentile } from '../src/core/stats.ts';
import { classifierBody, guessFromReply } from '../src/serve/ask-classifier.ts';

type Row = {
  readonly classifier: string;
  readonly n: number;
  readonly taskRight: number;
  readonly classRight: number;
  /** Answers that named no task and class. */
  readonly none: number;
  readonly msP50: number | undefined;
  readonly msP95: number | undefined;
};

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    url: { type: 'string', default: 'http://127.0.0.1:8080' },
    limit: { type: 'string', default: '312' },
    json: { type: 'boolean', default: false },
  },
});
const root = join(packageRoot(), 'src/classify/linear');
const examples = parseCorpus(readFileSync(join(root, 'corpus/held-out.jsonl'), 'utf8'), 'held-out.jsonl').slice(
  0,
  Number(values.limit),
);
if (values.model === undefined) throw new Error('name the model: --model ID');
const { model: weights } = decodeWeights(readFileSync(join(root, 'weights.bin')), 'weights.bin');
const rows = [
  await judge('linear', async ({ input }) => guessLinear(weights, input)),
  await judge(values.model, (example) => askModel(values.model ?? '', example)),
];
if (values.json) console.log(JSON.stringify(rows, null, 2));
else for (const row of rows) console.log(describe(row));

async function askModel(model: string, { input }: Example): Promise<Pick<Guess, 'task' | 'class'> | undefined> {
  const body = classifierBody(model, { systemText: input.system, lastUserText: input.text });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${process.env['SLUICE_KEY'] ?? ''}` };
  const reply = await fetch(`${values.url}/v1/chat/completions`, { method: 'POST', headers, body });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${values.url} answered with status ${reply.status}: ${text.slice(0, 300)}`);
  const told = guessFromReply(model, text);
  return 'none' in told ? undefined : told;
}

async function judge(
  classifier: string,
  guess: (example: Example) => Promise<Pick<Guess, 'task' | 'class'> | undefined>,
): Promise<Row> {
  const times: number[] = [];
  let [taskRight, classRight, none] = [0, 0, 0];
  for (const example of examples) {
    const startedMs = systemClock.monotonicMs();
    const told = await guess(example);
    times.push(systemClock.monotonicMs() - startedMs);
    if (told === undefined) none += 1;
    if (told?.task === example.task) taskRight += 1;
    if (told?.class === example.class) classRight += 1;
  }
  const n = examples.length;
  return { classifier, n, taskRight, classRight, none, msP50: percentile(times, 0.5), msP95: percentile(times, 0.95) };
}

function describe({ classifier, n, taskRight, classRight, none, msP50, msP95 }: Row): string {
  const share = (count: number) => `${((100 * count) / n).toFixed(1)} %`;
  const time = `p50 ${msP50?.toFixed(2)} ms, p95 ${msP95?.toFixed(2)} ms`;
  return `${classifier}: task ${share(taskRight)}, class ${share(classRight)}, named nothing ${none} of ${n}, ${time}`;
}
