import type { Task } from '../core/classes.ts';

/**
 * Version of the item set. Scores of different versions are not comparable; raise it whenever an item, a prompt or a
 * check changes.
 */
export const ITEM_SET_VERSION = 2;

/** One turn of a conversation put to a model. */
export type EvalMessage = { readonly role: 'system' | 'user' | 'assistant'; readonly content: string };

/** A question with one right kind of answer, checked by a program and not by another model. */
export type EvalItem = {
  /** Unique and stable; results are kept by it. */
  readonly id: string;
  readonly task: Task;
  readonly messages: readonly EvalMessage[];
  /** Enough for a right answer and little more: a model that rambles is cut off. */
  readonly maxTokens: number;
  readonly check: EvalCheck;
};

/** What makes an answer right. Texts are compared without case, outer punctuation, quotes and repeated spaces. */
export type EvalCheck =
  /** The whole answer is one of these. */
  | { readonly kind: 'exact'; readonly answers: readonly string[] }
  /** The last number in the answer. */
  | { readonly kind: 'number'; readonly value: number; readonly tolerance?: number }
  /** Every group has at least one of its texts in the answer, and no forbidden one is there. */
  | {
      readonly kind: 'contains';
      readonly groups: readonly (readonly string[])[];
      readonly forbidden?: readonly string[];
      readonly wordsMax?: number;
      readonly linesExact?: number;
    }
  /** The whole answer is JSON with exactly these values (key order free, a code fence around it is forgiven). */
  | { readonly kind: 'json'; readonly value: unknown }
  /** A JavaScript function of this name, found in the answer and run in a sandbox; each case is arguments and result. */
  | {
      readonly kind: 'code';
      readonly name: string;
      readonly cases: readonly (readonly [readonly unknown[], unknown])[];
    };
