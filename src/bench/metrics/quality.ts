import { TASKS, type Task } from '../../core/classes.ts';
import { wilsonInterval } from '../../core/stats.ts';
import type { Metric, Series } from './metric.ts';

/**
 * Share of a task's items that were answered right, one metric per task; see the definition. Fewer than eight items say
 * too little, so they are provisional.
 */
export const qualityMetrics: readonly Metric[] = TASKS.map(qualityOf);

const ITEMS_MIN = 8;

function qualityOf(task: Task): Metric {
  const metric: Metric = {
    id: `quality.${task}`,
    unit: 'share',
    side: 'served',
    definition: `share of the ${task} items answered right, greedy; the interval is Wilson's`,
    measure: ({ answers }) =>
      shareSeries(
        metric,
        answers.flatMap((answer) => (answer.task === task && answer.right !== undefined ? [answer.right] : [])),
      ),
  };
  return metric;
}

/** See the definition. */
export const degenerateAnswers: Metric = {
  id: 'degenerateAnswers',
  unit: 'share',
  side: 'served',
  definition:
    "share of all answers that have fallen apart (loops, shuffled words, noise, damaged characters, nothing at all); above 5 % a model is quarantined; the interval is Wilson's",
  measure: ({ answers }) =>
    shareSeries(
      degenerateAnswers,
      answers.map(({ sign }) => sign !== undefined),
    ),
};

function shareSeries({ id, unit, side }: Metric, hits: readonly boolean[]): readonly Series[] {
  if (hits.length === 0) return [];
  const count = hits.filter(Boolean).length;
  return [
    {
      metric: id,
      unit,
      side,
      value: count / hits.length,
      ...wilsonInterval(count, hits.length),
      n: hits.length,
      provisional: hits.length < ITEMS_MIN,
      samples: hits.map(Number),
    },
  ];
}
