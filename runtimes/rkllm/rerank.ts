import { GatewayError } from '../../src/core/errors.ts';
import type { Engine } from './engine.ts';
import { rerankPrompt, yesProbability } from './last-row.ts';
import type { FromWorker, RerankMessage } from './protocol.ts';

/** Scores each document by how much likelier "yes" is than "no" as the model's next word. */
export async function scoreDocuments(
  { id, query, documents }: RerankMessage,
  engine: Engine,
  isAborted: () => boolean,
): Promise<FromWorker> {
  const scores: number[] = [];
  let tokens = 0;
  for (const document of documents) {
    if (isAborted()) throw new GatewayError('cancelled', 'request cancelled');
    const { row, count } = await engine.lastRow('logits', rerankPrompt(query, document));
    scores.push(yesProbability(row));
    tokens += count;
  }
  return { kind: 'scores', id, scores, tokens, rssBytes: process.memoryUsage.rss() };
}
