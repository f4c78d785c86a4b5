import { MODEL_CLASSES, type ModelClass } from '../core/classes.ts';
import { percentileSorted } from '../core/stats.ts';
import type { Store } from './open-store.ts';

/** Finished requests per class that output lengths are learned from. */
export const OUTPUTS_KEPT = 200;
/** Fewer finished requests than this teach nothing yet: the class prior of the policy holds. */
export const OUTPUTS_MIN = 20;

/** Lengths of the last answers of each class that ended by themselves. */
export interface OutputLengths {
  finished(modelClass: ModelClass, outputTokens: number): void;
  outputTokens(modelClass: ModelClass, quantile: number): { readonly tokens: number; readonly n: number } | undefined;
}

type Lengths = { readonly oldestFirst: number[]; sorted: readonly number[] | undefined };

/** Reads what earlier runs have learned and goes on from there. */
export function createOutputLengths(store: Pick<Store, 'outputTokens'>): OutputLengths {
  const lengths = new Map(
    MODEL_CLASSES.map((modelClass) => {
      const known: Lengths = {
        oldestFirst: store.outputTokens(modelClass, OUTPUTS_KEPT).toReversed(),
        sorted: undefined,
      };
      return [modelClass, known] as const;
    }),
  );
  return {
    finished: (modelClass, outputTokens) => {
      const known = lengths.get(modelClass);
      if (known === undefined) return;
      known.oldestFirst.push(outputTokens);
      if (known.oldestFirst.length > OUTPUTS_KEPT) known.oldestFirst.shift();
      known.sorted = undefined;
    },
    outputTokens: (modelClass, quantile) => {
      const known = lengths.get(modelClass);
      if (known === undefined || known.oldestFirst.length < OUTPUTS_MIN) return undefined;
      known.sorted ??= known.oldestFirst.toSorted((a, b) => a - b);
      const tokens = percentileSorted(known.sorted, quantile);
      return tokens === undefined ? undefined : { tokens, n: known.oldestFirst.length };
    },
  };
}
