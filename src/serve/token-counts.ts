import type { CountedPrompt } from '../core/decision.ts';
import type { PrefixMarks } from '../core/prefix-marks.ts';
import { weightAt } from '../core/prefix-marks.ts';

/**
 * Prompts whose tokens have been counted, by a tokenizer or by the engine that read them. A conversation's next turn
 * begins with what was counted before, so only what was added has to be estimated. Kept by hash, never by text; the 512
 * used last.
 */
export interface TokenCounts {
  /** What is known of a prompt: for each tokenizer the longest beginning that was counted. Undefined where nothing is. */
  recall(prefix: PrefixMarks): readonly CountedPrompt[] | undefined;
  /** A whole prompt was counted by a model with this tokenizer. */
  remember(tokenizer: string, counted: { prefix: PrefixMarks; tokens: number; by: string }): void;
  /**
   * How far, as a share, the tokens of a text may lie from what its characters let expect: 2.5 mean deviations of what was
   * counted so far, 0.05 to 1. 0.6 below three prompts: Chinese has 1.5 characters to a token where English has four.
   */
  spreadOf(tokenizer: string): number;
}

/** Tokens per character of what was counted, in natural logarithms. */
type Ratio = { n: number; mean: number; deviation: number };

const PROMPTS_KEPT = 512;
/** Marks looked at from the end of a prompt: the newest turn of an agent adds a few messages, seldom more. */
const LOOK_BACK_MARKS = 64;
const SAMPLES_MIN = 3;
const UNKNOWN_SPREAD = 0.6;
const [SPREAD_MIN, SPREAD_MAX] = [0.05, 1];
const DEVIATIONS = 2.5;
/** Weight of the newest prompt once there are some. */
const GAIN_MIN = 0.1;

/** Counts of nothing yet. */
export function createTokenCounts(): TokenCounts {
  const prompts = new Map<number, readonly CountedPrompt[]>();
  const ratios = new Map<string, Ratio>();
  return {
    recall: (prefix) => recall(prompts, prefix),
    remember: (tokenizer, { prefix, tokens, by }) => {
      const last = prefix.hashes.length - 1;
      const hash = prefix.hashes[last];
      if (hash === undefined || tokens <= 0) return;
      const chars = prefix.chars[last] ?? 0;
      const messages = prefix.messages[last] ?? 0;
      const others = prompts.get(hash)?.filter((one) => one.tokenizer !== tokenizer) ?? [];
      prompts.delete(hash);
      prompts.set(hash, [...others, { tokenizer, tokens, chars, messages, basis: `counted by ${by}` }]);
      if (prompts.size > PROMPTS_KEPT) {
        const [oldest] = prompts.keys();
        if (oldest !== undefined) prompts.delete(oldest);
      }
      learn(ratios, tokenizer, Math.log(tokens / Math.max(1, weightAt(prefix, last))));
    },
    spreadOf: (tokenizer) => {
      const ratio = ratios.get(tokenizer);
      if (ratio === undefined || ratio.n < SAMPLES_MIN) return UNKNOWN_SPREAD;
      return Math.min(SPREAD_MAX, Math.max(SPREAD_MIN, DEVIATIONS * ratio.deviation));
    },
  };
}

function recall(
  prompts: ReadonlyMap<number, readonly CountedPrompt[]>,
  { hashes }: PrefixMarks,
): readonly CountedPrompt[] | undefined {
  if (prompts.size === 0) return undefined;
  let found: CountedPrompt[] | undefined;
  for (let mark = hashes.length - 1; mark >= Math.max(0, hashes.length - LOOK_BACK_MARKS); mark -= 1) {
    const known = prompts.get(hashes[mark] ?? 0);
    if (known === undefined) continue;
    if (found === undefined) found = [...known];
    else for (const one of known) if (!found.some(({ tokenizer }) => tokenizer === one.tokenizer)) found.push(one);
  }
  return found;
}

function learn(ratios: Map<string, Ratio>, tokenizer: string, value: number): void {
  const ratio = ratios.get(tokenizer) ?? { n: 0, mean: value, deviation: 0 };
  ratio.n += 1;
  const gain = Math.max(GAIN_MIN, 1 / ratio.n);
  ratio.deviation += gain * (Math.abs(value - ratio.mean) - ratio.deviation);
  ratio.mean += gain * (value - ratio.mean);
  ratios.set(tokenizer, ratio);
}
