import type { Task } from './classes.ts';
import type { Guess } from './guess.ts';
import type { RequestFacts } from './request.ts';

/**
 * What is kept of a request so that another policy can be tried on it later: every fact the classifier reads except the
 * texts. Of those only the answers of the tests that were put to them. Never holds prompt text, header values beyond
 * the ones named here, or anything a client wrote freely.
 */
export type RequestFeatures = Pick<
  RequestFacts,
  | 'stream'
  | 'promptChars'
  | 'messageCount'
  | 'imageCount'
  | 'audioCount'
  | 'toolCount'
  | 'inToolLoop'
  | 'responseFormat'
  | 'logprobs'
  | 'maxTokens'
  | 'reasoningEffort'
  | 'serviceTier'
  | 'sloTtftMs'
  | 'sloE2eMs'
> & {
  /** The name asked for, where it is one that the policy knew or `auto…`; `unknown` for any other text. */
  readonly model: string;
  /** Class asked for by header or body, with where it stood. */
  readonly classHint: RequestFacts['classHint'];
  /** Answers of the policy's tests on texts and headers, by {@link testKey}; a test that is not here was not put. */
  readonly tests: Readonly<Record<string, boolean>>;
  /** True where the texts are of a kind that chat front ends send in the background. */
  readonly background: boolean;
  /** The task it was taken for, and what a learned classifier had guessed. */
  readonly task: Task;
  readonly guess: Guess | undefined;
};

/** Answers that stand in for texts and headers when a recorded request is classified again. */
export type RecordedAnswers = Pick<RequestFeatures, 'tests' | 'background' | 'task'> & {
  /** Takes the tests that were needed and never put: where it is not empty, the class is not certain. */
  readonly unanswered: Set<string>;
};

/** Kinds of tests a rule can put to what is not recorded. */
export type TestKind = 'system' | 'last user' | 'header';

/** Name under which the answer of a test is kept, e.g. `system /title for/i`. */
export const testKey = (kind: TestKind, condition: string): string => `${kind} ${condition}`;
