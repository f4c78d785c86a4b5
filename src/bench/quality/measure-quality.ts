import { TASKS, type Task } from '../../core/classes.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { RuntimeConnection } from '../../core/runtime.ts';
import { DEGENERATION_PROBES, PROBE_TOKENS } from '../../quality/degeneration-probes.ts';
import { findDegeneration, type TextReference } from '../../quality/detect-degeneration.ts';
import { type EvalItem, ITEM_SET_VERSION } from '../../quality/item.ts';
import { EVAL_ITEMS } from '../../quality/items.ts';
import { needleItem } from '../../quality/needle-item.ts';
import { scoreAnswer } from '../../quality/score-answer.ts';
import { askItem, type ItemAnswer } from './ask-item.ts';
import { runCode } from './run-code.ts';

/** How to put the items to one loaded model. */
export type QualityRun = {
  readonly model: string;
  readonly connection: RuntimeConnection;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly reference: TextReference;
  readonly contextTokens: number;
  readonly charsPerToken: number;
  /** Longest one answer may take, ms, by its prompt and output tokens. */
  readonly timeoutMs: (promptChars: number, outputTokens: number) => number;
  readonly onStep: (step: string) => void;
};

/** What one model got right, and how its answers look. */
export type QualityResult = {
  readonly itemSetVersion: number;
  readonly tasks: readonly TaskScore[];
  readonly answers: number;
  readonly flagged: readonly FlaggedAnswer[];
  /** Share of answers flagged; above {@link FLAGGED_SHARE_MAX} the model is quarantined. */
  readonly flaggedShare: number;
  readonly items: readonly ItemResult[];
};

export type TaskScore = { readonly task: Task; readonly right: number; readonly n: number };

/** Why an answer was flagged; never its text. */
export type FlaggedAnswer = { readonly item: string; readonly sign: string; readonly detail: string };

export type ItemResult = { readonly item: string; readonly right: boolean; readonly why?: string };

/** More than this share of degenerate answers means the file or its settings are broken, not that it was a bad day. */
export const FLAGGED_SHARE_MAX = 0.05;
/** Where a fact is hidden in the context. */
const NEEDLE_SHARES = [0.5, 0.9] as const;
/** Part of the context a needle's text fills; the rest is room for template and answer. */
const NEEDLE_FILL = 0.85;

/** Steps {@link measureQuality} reports. */
export const QUALITY_STEPS = EVAL_ITEMS.length + NEEDLE_SHARES.length + DEGENERATION_PROBES.length;

/**
 * Puts every item and probe to a model, one at a time, greedy. An item that the model refuses or fails counts as wrong;
 * a child that dies, and an abort, reject.
 */
export async function measureQuality(run: QualityRun): Promise<QualityResult> {
  const items: ItemResult[] = [];
  const flagged: FlaggedAnswer[] = [];
  const needleChars = run.contextTokens * run.charsPerToken * NEEDLE_FILL;
  const needles = NEEDLE_SHARES.map((share) => needleItem(needleChars, share));
  const tally = new Map<Task, { right: number; n: number }>(TASKS.map((task) => [task, { right: 0, n: 0 }]));
  for (const item of [...EVAL_ITEMS, ...needles]) {
    const answer = await put(run, item.id, item.messages, item.maxTokens);
    const result = answer === undefined ? { item: item.id, right: false, why: 'refused' } : await judge(item, answer);
    items.push(result);
    const score = tally.get(item.task);
    if (score !== undefined) {
      score.n += 1;
      score.right += result.right ? 1 : 0;
    }
    flag(item.id, answer, run.reference, flagged);
  }
  for (const { id, messages } of DEGENERATION_PROBES) {
    flag(id, await put(run, id, messages, PROBE_TOKENS), run.reference, flagged);
  }
  return {
    itemSetVersion: ITEM_SET_VERSION,
    tasks: [...tally].map(([task, score]) => ({ task, ...score })),
    answers: QUALITY_STEPS,
    flagged,
    flaggedShare: flagged.length / QUALITY_STEPS,
    items,
  };
}

// Undefined where the model refused the request, e.g. because a template does not take a system message.
async function put(
  run: QualityRun,
  id: string,
  messages: EvalItem['messages'],
  maxTokens: number,
): Promise<ItemAnswer | undefined> {
  run.onStep(`quality item ${id}`);
  const promptChars = messages.reduce((sum, { content }) => sum + content.length, 0);
  const question = { model: run.model, messages, maxTokens, timeoutMs: run.timeoutMs(promptChars, maxTokens) };
  try {
    return await askItem(run.connection, question, run);
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'runtime_rejected') return undefined;
    throw error;
  }
}

async function judge(item: EvalItem, answer: ItemAnswer): Promise<ItemResult> {
  const verdict = scoreAnswer(item, answer.text);
  switch (verdict.kind) {
    case 'right':
      return { item: item.id, right: true };
    case 'wrong':
      return { item: item.id, right: false, why: verdict.why };
    case 'run': {
      if (item.check.kind !== 'code') return { item: item.id, right: false, why: 'no cases to run' };
      const result = await runCode(verdict.source, item.check);
      return result.kind === 'right'
        ? { item: item.id, right: true }
        : { item: item.id, right: false, why: result.why };
    }
  }
}

// A short answer in the right form is never degenerate, and an empty one to a long question is: the model said nothing.
function flag(item: string, answer: ItemAnswer | undefined, reference: TextReference, flagged: FlaggedAnswer[]): void {
  if (answer === undefined) return;
  const found = findDegeneration(answer.text, reference);
  if (found !== undefined) flagged.push({ item, sign: found.sign, detail: found.detail });
}
