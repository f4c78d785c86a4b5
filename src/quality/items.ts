import type { EvalItem } from './item.ts';
import { CHAT_ITEMS } from './items/chat.ts';
import { CODE_ITEMS } from './items/code.ts';
import { CREATIVE_ITEMS } from './items/creative.ts';
import { EXTRACT_ITEMS } from './items/extract.ts';
import { QA_ITEMS } from './items/qa.ts';
import { REASONING_ITEMS } from './items/reasoning.ts';
import { REWRITE_ITEMS } from './items/rewrite.ts';
import { SUMMARIZE_ITEMS } from './items/summarize.ts';

/** All items of fixed text. Needle items depend on the context length and are made by `needleItem`. */
export const EVAL_ITEMS: readonly EvalItem[] = [
  ...CHAT_ITEMS,
  ...QA_ITEMS,
  ...SUMMARIZE_ITEMS,
  ...EXTRACT_ITEMS,
  ...REWRITE_ITEMS,
  ...CODE_ITEMS,
  ...REASONING_ITEMS,
  ...CREATIVE_ITEMS,
];
