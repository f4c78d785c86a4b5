import { GatewayError } from '../../src/core/errors.ts';

/**
 * The last token's hidden state scaled to length 1: the embedding of models such as Qwen3-Embedding. Throws
 * `runtime_failed` for a row of zeros, which the library gives for a second run on an uncleared cache.
 */
export function toUnitVector(row: Float32Array): readonly number[] {
  let squares = 0;
  for (const value of row) squares += value * value;
  if (!(squares > 0) || !Number.isFinite(squares)) {
    throw new GatewayError(
      'runtime_failed',
      'the library gave an embedding without a direction (all zeros); try again',
    );
  }
  const length = Math.sqrt(squares);
  return Array.from(row, (value) => value / length);
}

// Token ids of "yes" and "no" in the vocabulary of Qwen3-Reranker, the model this way of scoring belongs to.
const YES = 9693;
const NO = 2152;

/**
 * Probability of "yes" against "no" as the next token, 0..1. Throws `runtime_failed` where the vocabulary is too
 * small to hold both: the model is then no such reranker.
 */
export function yesProbability(logits: Float32Array): number {
  const [yes, no] = [logits[YES], logits[NO]];
  if (yes === undefined || no === undefined) {
    throw new GatewayError('runtime_failed', `this model cannot rerank: its vocabulary has ${logits.length} tokens`);
  }
  return 1 / (1 + Math.exp(no - yes));
}

/** The prompt Qwen3-Reranker was trained on. */
export function rerankPrompt(query: string, document: string): string {
  const task = 'Given a web search query, retrieve relevant passages that answer the query';
  return (
    '<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct ' +
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n' +
    `<Instruct>: ${task}\n<Query>: ${query}\n<Document>: ${document}<|im_end|>\n` +
    '<|im_start|>assistant\n<think>\n\n</think>\n\n'
  );
}
