import { MODEL_CLASSES, type ModelClass } from '../core/classes.ts';
import { percentile } from '../core/stats.ts';
import type { DayOutcome } from './simulate-day.ts';

/** What one class would see under one policy. Times in ms; undefined where nothing finished. */
export type ClassFigures = {
  readonly requests: number;
  readonly ttftMsP50: number | undefined;
  readonly ttftMsP95: number | undefined;
  readonly e2eMsP50: number | undefined;
  readonly e2eMsP95: number | undefined;
  /** Share of its requests that would meet all targets, 0..1. */
  readonly sloMet: number | undefined;
  readonly refused: number;
  readonly degraded: number;
};

/** Requests that another policy would treat differently. */
export type Move = {
  readonly class: ModelClass;
  /** Class under the new policy, where that differs too. */
  readonly toClass: ModelClass;
  /** Model, or `refused`. */
  readonly from: string;
  readonly to: string;
  readonly requests: number;
};

/** Two policies on the same requests. */
export type PolicyComparison = {
  readonly classes: Readonly<Record<ModelClass, { readonly before: ClassFigures; readonly after: ClassFigures }>>;
  /** Largest first. */
  readonly moves: readonly Move[];
  readonly unmoved: number;
};

/** Compares what became of the same requests under two policies; requests are matched by their index. */
export function comparePolicies(before: readonly DayOutcome[], after: readonly DayOutcome[]): PolicyComparison {
  const then = new Map(after.map((outcome) => [outcome.request.index, outcome]));
  const moves = new Map<string, Move>();
  let unmoved = 0;
  for (const outcome of before) {
    const other = then.get(outcome.request.index);
    if (other === undefined) continue;
    const [from, to] = [outcome.model ?? 'refused', other.model ?? 'refused'];
    if (from === to && outcome.class === other.class) {
      unmoved += 1;
      continue;
    }
    const name = `${outcome.class} ${other.class} ${from} ${to}`;
    const requests = (moves.get(name)?.requests ?? 0) + 1;
    moves.set(name, { class: outcome.class, toClass: other.class, from, to, requests });
  }
  const classes = {} as Record<ModelClass, { before: ClassFigures; after: ClassFigures }>;
  for (const name of MODEL_CLASSES) classes[name] = { before: figuresOf(before, name), after: figuresOf(after, name) };
  return { classes, moves: [...moves.values()].toSorted((a, b) => b.requests - a.requests), unmoved };
}

function figuresOf(outcomes: readonly DayOutcome[], name: ModelClass): ClassFigures {
  const own = outcomes.filter((outcome) => outcome.class === name);
  const finished = own.filter(({ kind }) => kind === 'finished');
  const [ttft, e2e] = [finished.map(({ ttftMs }) => ttftMs), finished.map(({ e2eMs }) => e2eMs)];
  return {
    requests: own.length,
    ttftMsP50: percentile(ttft, 0.5),
    ttftMsP95: percentile(ttft, 0.95),
    e2eMsP50: percentile(e2e, 0.5),
    e2eMsP95: percentile(e2e, 0.95),
    sloMet: own.length === 0 ? undefined : own.filter(({ met }) => met).length / own.length,
    refused: own.length - finished.length,
    degraded: own.filter(({ degraded }) => degraded).length,
  };
}
