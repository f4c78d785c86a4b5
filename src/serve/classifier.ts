import { guessFacts } from '../classify/linear/guess-facts.ts';
import type { Guess } from '../core/guess.ts';
import type { Policy } from '../core/policy.ts';
import type { RequestFacts } from '../core/request.ts';
import { openClassifierWeights, type WeightsStatus } from '../transport/classifier-weights.ts';
import { type AskParts, askClassifier, type Told } from './ask-classifier.ts';
import type { ServeParts } from './job.ts';

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
export function createClassifier(
  deps: AskParts & {
    readonly serve: Pick<ServeParts, 'emit'>;
    readonly policy: () => Policy;
    readonly dataDir: string;
  },
): Classifier {
  const weights = openClassifierWeights(deps.dataDir, {
    clock: deps.serve.clock,
    onNotice: (level, message) => deps.serve.emit({ kind: 'gateway.notice', level, message }),
  });
  const linear = (facts: RequestFacts, note?: string): Guess | undefined => {
    const stored = weights.current();
    if (stored === undefined) return undefined;
    const guess = guessFacts(stored.model, facts);
    return note === undefined ? guess : { ...guess, note };
  };
  const orLinear = (told: Told, facts: RequestFacts) => ('none' in told ? linear(facts, told.none) : told);
  const guess = (facts: RequestFacts): Guess | undefined | Promise<Guess | undefined> => {
    const { model, budgetMs } = deps.policy().classify;
    switch (model.kind) {
      case 'off':
        return undefined;
      case 'linear':
        return linear(facts);
      case 'model': {
        const asked = deps.policy().models.get(model.id);
        if (asked === undefined) return linear(facts, `${model.id} is not in the policy`);
        const told = askClassifier(deps, { model: asked, budgetMs }, facts);
        return told instanceof Promise ? told.then((later) => orLinear(later, facts)) : orLinear(told, facts);
      }
    }
  };
  return {
    guess,
    status: () => {
      const { model } = deps.policy().classify;
      return { model: model.kind === 'model' ? model.id : model.kind, ...weights.status() };
    },
    close: weights.close,
  };
}
