import type { ModelClass, Task } from './classes.ts';

/**
 * What a learned classifier makes of a request. Made before `classify` and handed to it as a value, so that
 * classification stays pure whoever guessed.
 */
export type Guess = {
  /** Who guessed: `linear`, or the id of the model that was asked. */
  readonly by: string;
  readonly task: Task;
  /** Calibrated probability of the task, 0..1; undefined where who guessed gives none, which then counts as sure. */
  readonly taskShare: number | undefined;
  readonly class: ModelClass;
  /** The same of the class. */
  readonly classShare: number | undefined;
  /** Why another classifier than the policy's answered; undefined where the policy's did. */
  readonly note?: string;
};
