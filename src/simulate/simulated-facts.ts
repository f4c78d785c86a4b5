import type { RequestFacts } from '../core/request.ts';
import type { SimulatedRequest } from './workload.ts';

/**
 * A simulated request as a dialect would describe it: it names its class, and a classifier that is never wrong names its
 * task. What classification gets wrong is measured elsewhere, on real texts.
 */
export function factsOf(request: SimulatedRequest, e2eBudgetMs: number | undefined): RequestFacts {
  return {
    model: 'auto',
    classHint: { value: request.class, source: 'simulation' },
    stream: request.stream,
    systemText: '',
    lastUserText: '',
    promptChars: request.promptChars,
    messageCount: 1,
    imageCount: 0,
    audioCount: 0,
    toolCount: 0,
    inToolLoop: false,
    responseFormat: 'text',
    logprobs: false,
    maxTokens: undefined,
    reasoningEffort: undefined,
    serviceTier: undefined,
    sloTtftMs: undefined,
    sloE2eMs: e2eBudgetMs,
    guess: { by: 'simulation', task: request.task, taskShare: 1, class: request.class, classShare: 1 },
    header: () => undefined,
  };
}
