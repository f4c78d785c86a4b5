import { MODEL_CLASSES, type ModelClass } from '../core/classes.ts';
import type { DayOutcome, DayResult } from './simulate-day.ts';

/** Figures of one day under one rule. Shares are 0..1, undefined where nothing of the kind happened. */
export type DayFigures = {
  /** Mean over online requests of quality where all targets were met, else 0. */
  readonly qg: number;
  /** Share of requests that met all their targets, by class. */
  readonly slo: Readonly<Record<ModelClass, number | undefined>>;
  /** Requests that met all their targets per hour, by class. */
  readonly goodputPerHour: Readonly<Record<ModelClass, number>>;
  /** Mean quality of batch items ended by the deadline, 0 for the others. */
  readonly batchQuality: number | undefined;
  /** Share of online answers that took at most as long as promised, and the share that was promised. */
  readonly coverage: number | undefined;
  readonly nominal: number | undefined;
  readonly coverageByClass: Readonly<Record<ModelClass, number | undefined>>;
  readonly swaps: number;
  readonly refused: number;
  readonly requests: number;
  readonly utilisation: Readonly<Record<string, number>>;
  /** Online requests by model that answered. */
  readonly models: Readonly<Record<string, number>>;
};

/** Sums up a day. */
export function measureDay({ outcomes, swaps, utilisation }: DayResult, hours: number): DayFigures {
  const online = outcomes.filter((outcome) => outcome.class !== 'batch');
  const batch = outcomes.filter((outcome) => outcome.class === 'batch');
  const promised = online.filter(({ predicted }) => predicted !== undefined);
  const models: Record<string, number> = {};
  for (const { model } of online) if (model !== undefined) models[model] = (models[model] ?? 0) + 1;
  return {
    qg: mean(online.map(worth)) ?? 0,
    slo: byClass(outcomes, (some) => mean(some.map(({ met }) => (met ? 1 : 0)))),
    goodputPerHour: byClass(outcomes, (some) => some.filter(({ met }) => met).length / hours),
    batchQuality: mean(batch.map(worth)),
    coverage: mean(promised.map(isCovered)),
    nominal: mean(promised.map(({ predicted }) => predicted?.quantile ?? 0)),
    coverageByClass: byClass(promised, (some) => mean(some.map(isCovered))),
    swaps,
    refused: outcomes.filter(({ kind }) => kind === 'refused').length,
    requests: outcomes.length,
    utilisation,
    models,
  };
}

const worth = ({ met, quality }: DayOutcome): number => (met ? quality : 0);
const isCovered = ({ predicted, e2eMs }: DayOutcome): number =>
  predicted !== undefined && e2eMs <= predicted.e2eMs ? 1 : 0;

function byClass<Value>(
  outcomes: readonly DayOutcome[],
  of: (some: readonly DayOutcome[]) => Value,
): Record<ModelClass, Value> {
  const table = {} as Record<ModelClass, Value>;
  for (const name of MODEL_CLASSES) table[name] = of(outcomes.filter((outcome) => outcome.class === name));
  return table;
}

/** Arithmetic mean; undefined for an empty sample. */
export function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}
