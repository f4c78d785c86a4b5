import type { RecordedAnswers } from './features.ts';
import type { Guess } from './guess.ts';
import type { PrefixMarks } from './prefix-marks.ts';

/**
 * What a dialect's decoder finds out about a request, in no dialect's words. The classifier and the decision read
 * only this; the body itself travels beside it untouched, so that no field is lost on the way to the engine.
 */
export type RequestFacts = {
  /** `model` as the client wrote it; `auto` when absent. */
  readonly model: string;
  /** Class asked for by header (`x-router-class`) or body (`metadata.router_class`), unchecked. */
  readonly classHint: { readonly value: string; readonly source: string } | undefined;
  readonly stream: boolean;
  /** There where no answer in words is asked for, but vectors of the texts or how well documents answer a query. */
  readonly wants?: 'embeddings' | 'rerank' | undefined;
  /** True where the prompt goes to the model as it is, past its chat template. */
  readonly rawPrompt?: boolean | undefined;
  /** All system/developer text, joined by newlines; empty when there is none. */
  readonly systemText: string;
  /** Text of the last user message; empty when there is none. */
  readonly lastUserText: string;
  /** UTF-16 units of all text the engine will read, tool definitions included. */
  readonly promptChars: number;
  readonly messageCount: number;
  /** Fingerprints of the prompt's beginnings; absent where a dialect makes none. */
  readonly prefix?: PrefixMarks | undefined;
  readonly imageCount: number;
  readonly audioCount: number;
  readonly toolCount: number;
  /** True when the last message is a tool's result: the conversation is inside a tool loop. */
  readonly inToolLoop: boolean;
  /** Constraint on the output that only a grammar can guarantee. */
  readonly responseFormat: 'text' | 'json_object' | 'json_schema' | 'grammar';
  readonly logprobs: boolean;
  readonly maxTokens: number | undefined;
  readonly reasoningEffort: string | undefined;
  readonly serviceTier: string | undefined;
  /** Targets from `x-slo-ttft-ms` and `x-slo-e2e-ms`. */
  readonly sloTtftMs: number | undefined;
  readonly sloE2eMs: number | undefined;
  /** True where the client wants to be told how far its request has come while it waits. */
  readonly wantsProgress?: boolean | undefined;
  /** What a learned classifier makes of it; undefined where none was asked. */
  readonly guess?: Guess | undefined;
  /** There for a request of the past, whose texts and headers nobody has any more. */
  readonly recorded?: RecordedAnswers | undefined;
  /** One request header by lower-case name. */
  readonly header: (name: string) => string | undefined;
};

/**
 * The facts with what a classifier makes of the request. Every field is named: copies made by a spread have a shape each,
 * and then everything that reads one is slow (measured: a third of a request's own time).
 */
export function withGuess(facts: RequestFacts, guess: Guess | undefined): RequestFacts {
  const all: EveryField<RequestFacts> = {
    model: facts.model,
    classHint: facts.classHint,
    stream: facts.stream,
    wants: facts.wants,
    rawPrompt: facts.rawPrompt,
    systemText: facts.systemText,
    lastUserText: facts.lastUserText,
    promptChars: facts.promptChars,
    messageCount: facts.messageCount,
    prefix: facts.prefix,
    imageCount: facts.imageCount,
    audioCount: facts.audioCount,
    toolCount: facts.toolCount,
    inToolLoop: facts.inToolLoop,
    responseFormat: facts.responseFormat,
    logprobs: facts.logprobs,
    maxTokens: facts.maxTokens,
    reasoningEffort: facts.reasoningEffort,
    serviceTier: facts.serviceTier,
    sloTtftMs: facts.sloTtftMs,
    sloE2eMs: facts.sloE2eMs,
    wantsProgress: facts.wantsProgress,
    guess,
    recorded: facts.recorded,
    header: facts.header,
  };
  return all;
}

// A field that is forgotten in a copy is a type error.
type EveryField<Whole> = { [Name in keyof Required<Whole>]: Whole[Name] };
