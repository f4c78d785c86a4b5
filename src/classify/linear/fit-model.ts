import type { Example } from './corpus.ts';
import { type Evaluation, evaluate } from './evaluate.ts';
import { guessLinear } from './model.ts';
import { fitTemperatures, TRAIN_DEFAULTS, type TrainSettings, trainLinear } from './train.ts';
import type { StoredModel } from './weights-file.ts';

/** The labelled requests a model is made of. */
export type Splits = {
  readonly training: readonly Example[];
  /** Sets the temperatures, then joins the training. */
  readonly validation: readonly Example[];
  /** Never trained on. */
  readonly heldOut: readonly Example[];
  /** The user's own labels; each counts like {@link OWN_WEIGHT} shipped ones. */
  readonly own: readonly Example[];
};

/** A fitted model with how it did on what it had not seen. */
export type Fitted = {
  readonly stored: StoredModel;
  /** On the validation split, before that joined the training. */
  readonly validation: Evaluation;
  readonly heldOut: Evaluation;
};

/** The user's own requests are what will come again, so each outweighs one of the shipped corpus. */
export const OWN_WEIGHT = 2;
/** Guesses below this probability are not used, unless the policy says otherwise. */
export const CONFIDENCE = 0.6;

/**
 * Trains twice: once without the validation split, to fit the temperatures on requests the model has not seen, and once
 * with it, because more examples teach more. Deterministic.
 */
export async function fitModel(splits: Splits, onEpoch?: TrainSettings['onEpoch']): Promise<Fitted> {
  const first = [...splits.own, ...splits.training];
  const weightOf = (index: number) => (index < splits.own.length ? OWN_WEIGHT : 1);
  const settings = { ...TRAIN_DEFAULTS, weightOf };
  const scout = fitTemperatures(
    await trainLinear(first, { ...settings, onEpoch: (done, loss) => onEpoch?.(done, loss) }),
    splits.validation,
  );
  const all = [...first, ...splits.validation];
  const trained = await trainLinear(all, {
    ...settings,
    onEpoch: (done, loss) => onEpoch?.(settings.epochs + done, loss),
  });
  const model = { ...trained, taskTemperature: scout.taskTemperature, classTemperature: scout.classTemperature };
  const judge = (judged: typeof model, examples: readonly Example[]) =>
    evaluate(examples, ({ input }) => guessLinear(judged, input), CONFIDENCE);
  const heldOut = judge(model, splits.heldOut);
  return {
    stored: {
      model,
      notes: {
        examples: all.length,
        ownExamples: splits.own.length,
        heldOutTask: heldOut.taskAccuracy,
        heldOutClass: heldOut.classAccuracy,
      },
    },
    validation: judge(scout, splits.validation),
    heldOut,
  };
}

/** How many epochs `fitModel` reports in all. */
export const FIT_EPOCHS = 2 * TRAIN_DEFAULTS.epochs;
