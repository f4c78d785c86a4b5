import { guessFacts } from '../classify/linear/guess-facts.ts';
import type { Clock } from '../core/clock.ts';
import type { EmitEvent } from '../core/events.ts';
import type { Guess } from '../core/guess.ts';
import type { Policy } from '../core/policy.ts';
import type { RequestFacts } from '../core/request.ts';
import { openClassifierWeights, type WeightsStatus } from '../transport/classifier-weights.ts';

/** Who guesses task and class of a request, as the policy says. */
export interface Classifier {
  /**
   * A guess at once, or a promise of one where a model is asked. Never rejects: where the model cannot answer in time the
   * built-in one does, with a note. Undefined under `classify.model: off`.
   */
  guess(facts: RequestFacts): Guess | undefined | Promise<Guess | undefined>;
  status(): WeightsStatus & { readonly model: string };
  close(): void;
}

/** The classifier of a gateway; it follows the weights in the data directory until it is closed. */
export function createClassifier(deps: {
  readonly clock: Clock;
  readonly policy: () => Policy;
  readonly emit: EmitEvent;
  readonly dataDir: string;
}): Classifier {
  const weights = openClassifierWeights(deps.dataDir, {
    clock: deps.clock,
    onNotice: (level, message) => deps.emit({ kind: 'gateway.notice', level, message }),
  });
  const linear = (facts: RequestFacts): Guess | undefined => {
    const stored = weights.current();
    return stored === undefined ? undefined : guessFacts(stored.model, facts);
  };
  return {
    guess: (facts) => (deps.policy().classify.model.kind === 'off' ? undefined : linear(facts)),
    status: () => {
      const { model } = deps.policy().classify;
      return { model: model.kind === 'model' ? model.id : model.kind, ...weights.status() };
    },
    close: weights.close,
  };
}
