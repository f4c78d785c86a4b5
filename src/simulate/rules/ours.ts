import { type Knowledge, NO_KNOWLEDGE } from '../../core/knowledge.ts';
import type { Policy } from '../../core/policy.ts';
import type { LaneView, Snapshot } from '../../core/snapshot.ts';
import { decide } from '../../route/decide.ts';
import type { Choice, NamedRule } from './rule.ts';

/** The gateway's own decision, unchanged. */
export const ours: NamedRule = rule('ours', (choice) => choice);

/**
 * The gateway's decision with one term taken away each, to see what every term is worth: what it loses against `ours` is
 * what the term earns.
 */
export const ablations: readonly NamedRule[] = [
  rule('ours - queue', (choice) => ({
    ...choice,
    snapshot: { ...choice.snapshot, lanes: emptyLanes(choice.snapshot) },
  })),
  rule('ours - calibration', withKnowledge({ calibration: NO_KNOWLEDGE.calibration })),
  rule('ours - conformal', withKnowledge({ conformal: NO_KNOWLEDGE.conformal })),
  rule('ours - lengths', withKnowledge({ outputTokens: NO_KNOWLEDGE.outputTokens })),
  rule('ours - congestion', withRouting({ congestionPrice: 0 })),
  rule('ours - load price', withRouting({ loadPrice: 0, swapMargin: 0 })),
  rule('ours - exploration', withRouting({ explore: 0 })),
  rule('ours - tasks', (choice) => ({ ...choice, workload: { ...choice.workload, task: 'chat' } })),
  rule('ours q=0.5', withQuantile(0.5)),
  rule('ours q=0.7', withQuantile(0.7)),
  rule('ours q=0.9', withQuantile(0.9)),
];

function rule(name: string, change: (choice: Choice) => Choice): NamedRule {
  return {
    name,
    create: () => ({
      choose: (choice) => {
        const { workload, snapshot, policy } = change(choice);
        return decide(workload, snapshot, policy);
      },
    }),
  };
}

function withKnowledge(without: Partial<Knowledge>): (choice: Choice) => Choice {
  return (choice) => ({
    ...choice,
    snapshot: { ...choice.snapshot, knowledge: { ...choice.snapshot.knowledge, ...without } },
  });
}

function withRouting(changed: Partial<Policy['routing']>): (choice: Choice) => Choice {
  return (choice) => {
    const { policy } = choice;
    return { ...choice, policy: { ...policy, routing: { ...policy.routing, ...changed } } };
  };
}

function withQuantile(quantile: number): (choice: Choice) => Choice {
  return (choice) => {
    const { policy, workload } = choice;
    const classes = { ...policy.classes, [workload.class]: { ...policy.classes[workload.class], quantile } };
    return { ...choice, policy: { ...policy, classes } };
  };
}

const emptyLanes = ({ lanes }: Snapshot): ReadonlyMap<string, LaneView> =>
  new Map([...lanes].map(([device, lane]) => [device, { ...lane, running: [], waiting: [] }]));
