import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '../../core/classes.ts';
import { GatewayError } from '../../core/errors.ts';
import { packageRoot } from '../../core/package-root.ts';
import { DEGENERATION_PROBES, type DegenerationProbe, PROBE_TOKENS } from '../../quality/degeneration-probes.ts';
import {
  type AskedFor,
  findDegeneration,
  learnReference,
  type TextReference,
} from '../../quality/detect-degeneration.ts';
import { type EvalItem, type EvalMessage, ITEM_SET_VERSION } from '../../quality/item.ts';
import { EVAL_ITEMS } from '../../quality/items.ts';
import { needleItem } from '../../quality/needle-item.ts';
import { scoreAnswer } from '../../quality/score-answer.ts';
import type { BenchLease } from '../bench-target.ts';
import type { ServedModel } from '../measure-round.ts';
import type { BenchSample } from '../samples.ts';
import { askItem, type ItemAnswer } from './ask-item.ts';
import { runCode } from './run-code.ts';

/** Where a fact is hidden in the context. */
const NEEDLE_SHARES = [0.5, 0.9] as const;
/** Part of the context a needle's text fills; the rest is room for template and answer. */
const NEEDLE_FILL = 0.8;
/** Characters per token where the run has not measured the model's own. */
const CHARS_PER_TOKEN = 3.6;
/** An answer may take this long, and this much more for each token at the slowest rate that is still of use. */
const TIMEOUT_MS = 60_000;
const TIMEOUT_PER_PROMPT_TOKEN_MS = 2_000;
const TIMEOUT_PER_OUTPUT_TOKEN_MS = 10_000;

/** Steps {@link measureQuality} reports. */
export const QUALITY_STEPS = EVAL_ITEMS.length + NEEDLE_SHARES.length + DEGENERATION_PROBES.length;

type Question = {
  readonly id: string;
  readonly task: Task | undefined;
  readonly messages: readonly EvalMessage[];
  readonly maxTokens: number;
  /** Undefined for a probe, which has no right answer and only has to be text. */
  readonly item: EvalItem | undefined;
  readonly probe: DegenerationProbe | undefined;
};

/** What asking the items takes of a run. */
export type QualityRun = Pick<
  ServedModel,
  'model' | 'clock' | 'signal' | 'target' | 'journal' | 'contextTokens' | 'onStep'
>;

/**
 * Puts every quality item and probe to a model, one at a time, greedy and without thinking, and keeps after each what it
 * came to; a run that was broken off goes on behind the last one. Answers are never kept, only whether they were right
 * and how they looked. An item the model refuses counts as wrong. `only` leaves out what is not to be asked. Rejects as a
 * round does.
 */
export async function measureQuality(run: QualityRun, only: (id: string) => boolean = () => true): Promise<void> {
  const open = questions(run.contextTokens).filter(({ id }) => only(id) && !run.journal.has(run.model, stepOf(id)));
  if (open.length === 0) return;
  const reference = learnReference(readFileSync(join(packageRoot(), 'src', 'quality', 'reference-text.txt'), 'utf8'));
  await run.target.load(run.model, run.signal);
  const lease = await run.target.acquire(run.model, run.signal);
  let how: Parameters<BenchLease['release']>[0] = 'failed';
  try {
    for (const question of open) {
      run.onStep(`quality: ${question.id}`);
      run.journal.add(run.model, stepOf(question.id), [await sampleOf(run, lease, { question, reference })]);
    }
    how = 'ok';
  } catch (error) {
    if (run.signal.aborted) how = 'aborted';
    throw error;
  } finally {
    await lease.release(how);
    await run.target.unload(run.model);
  }
}

const stepOf = (id: string): string => `quality ${ITEM_SET_VERSION} ${id}`;

function questions(contextTokens: number): readonly Question[] {
  const needles = NEEDLE_SHARES.map((share) => needleItem(contextTokens * CHARS_PER_TOKEN * NEEDLE_FILL, share));
  return [
    ...[...EVAL_ITEMS, ...needles].map((item) => ({ ...item, item, probe: undefined })),
    ...DEGENERATION_PROBES.map((probe) => {
      const { id, messages } = probe;
      return { id, messages, probe, task: undefined, maxTokens: PROBE_TOKENS, item: undefined };
    }),
  ];
}

async function sampleOf(
  run: QualityRun,
  lease: BenchLease,
  { question, reference }: { readonly question: Question; readonly reference: TextReference },
): Promise<BenchSample> {
  const { id, task, item } = question;
  const answer = await ask(run, lease, question);
  const verdict = await judge(item, answer);
  const broken =
    answer === undefined ? undefined : findDegeneration(answer.text, reference, askedFor(question, answer));
  return {
    kind: 'answer',
    round: 0,
    flags: [],
    set: ITEM_SET_VERSION,
    item: id,
    ...(task === undefined || item === undefined ? {} : { task, right: verdict === undefined }),
    ...(verdict === undefined ? {} : { why: verdict }),
    ...(broken === undefined ? {} : { sign: broken.sign, detail: broken.detail }),
  };
}

const askedFor = ({ probe, maxTokens }: Question, { finishReason }: ItemAnswer): AskedFor => ({
  language: probe?.language,
  tokensEnough: probe?.tokensEnough,
  finishReason,
  tokensMax: maxTokens,
});

// Undefined where the model refused the request, e.g. because its template takes no system message.
async function ask(run: QualityRun, lease: BenchLease, question: Question): Promise<ItemAnswer | undefined> {
  const promptChars = question.messages.reduce((sum, { content }) => sum + content.length, 0);
  const timeoutMs =
    TIMEOUT_MS +
    (promptChars / CHARS_PER_TOKEN) * TIMEOUT_PER_PROMPT_TOKEN_MS +
    question.maxTokens * TIMEOUT_PER_OUTPUT_TOKEN_MS;
  const { messages, maxTokens } = question;
  try {
    return await askItem(lease.connection, { model: run.model, messages, maxTokens, timeoutMs }, run);
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'runtime_rejected') return undefined;
    throw error;
  }
}

/** Why an answer is wrong; undefined for a right one and for a probe. */
async function judge(item: EvalItem | undefined, answer: ItemAnswer | undefined): Promise<string | undefined> {
  if (item === undefined) return undefined;
  if (answer === undefined) return 'refused';
  const verdict = scoreAnswer(item, answer.text);
  if (verdict.kind === 'wrong') return verdict.why;
  if (verdict.kind === 'right' || item.check.kind !== 'code') return undefined;
  const result = await runCode(verdict.source, item.check);
  return result.kind === 'right' ? undefined : result.why;
}
