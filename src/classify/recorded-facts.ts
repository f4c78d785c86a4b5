import type { RequestFeatures } from '../core/features.ts';
import type { RequestFacts } from '../core/request.ts';

/** A request of the past as the classifier takes it, with the tests it could not answer once it has been classified. */
export type RecordedRequest = { readonly facts: RequestFacts; readonly unanswered: ReadonlySet<string> };

/** Facts of a recorded request: no texts and no headers, but the answers that rules got when it was new. */
export function recordedFacts(features: RequestFeatures): RecordedRequest {
  const unanswered = new Set<string>();
  const { tests, background, task, ...kept } = features;
  const facts: RequestFacts = {
    ...kept,
    // A name nobody knew was routed like "auto", or refused before it could be recorded.
    model: kept.model === 'unknown' ? 'auto' : kept.model,
    systemText: '',
    lastUserText: '',
    ...(features.guess === undefined ? {} : { guess: features.guess }),
    recorded: { tests, background, task, unanswered },
    header: () => undefined,
  };
  return { facts, unanswered };
}
