import type { Guess } from '../../core/guess.ts';
import type { RequestFacts } from '../../core/request.ts';
import { guessLinear, type LinearModel } from './model.ts';

/** The linear model's guess about a request, from its last user message, its instructions and its shape. */
export function guessFacts(model: LinearModel, facts: RequestFacts): Guess {
  return guessLinear(model, {
    text: facts.lastUserText,
    system: facts.systemText,
    stream: facts.stream,
    maxTokens: facts.maxTokens,
    toolCount: facts.toolCount,
    inToolLoop: facts.inToolLoop,
    responseFormat: facts.responseFormat,
    messageCount: facts.messageCount,
  });
}
