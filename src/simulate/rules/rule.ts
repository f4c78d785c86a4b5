import type { Decision, Workload } from '../../core/decision.ts';
import type { ModelId } from '../../core/ids.ts';
import type { Policy } from '../../core/policy.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import type { Draws } from '../draws.ts';
import type { SimulatedRequest } from '../workload.ts';
import type { World } from '../world.ts';

/** A request at the moment a model must be chosen for it. */
export type Choice = {
  readonly workload: Workload;
  readonly snapshot: Snapshot;
  readonly policy: Policy;
  /** The truth, for rules that are allowed to know it. */
  readonly truth: { readonly request: SimulatedRequest; readonly world: World; readonly slowdown: number };
};

/** What a rule is told of a finished request. */
export type Finished = {
  readonly model: ModelId;
  readonly stream: boolean;
  readonly outputTokens: number;
  readonly ttftMs: number;
  readonly e2eMs: number;
  readonly nowMs: number;
};

/**
 * A way to choose a model. Rules that answer with a model's name get the gateway's own queue, deadlines and memory
 * management for free: only the choice differs, which is in their favour.
 */
export interface RoutingRule {
  choose(choice: Choice): Decision | ModelId;
  finished?(finished: Finished): void;
  /** True work of a run, ms, for a rule that knows it; the queue then holds true figures. */
  readonly workMs?: (choice: Choice, model: ModelId) => number;
}

/** A rule by its name in tables, made anew for each simulated day. */
export type NamedRule = {
  readonly name: string;
  readonly create: (parts: { readonly world: World; readonly policy: Policy; readonly draws: Draws }) => RoutingRule;
};

/** Models of the policy that may serve a class, in its order. */
export const modelsFor = (policy: Policy, modelClass: Workload['class']): readonly ModelId[] =>
  [...policy.models.values()]
    .filter(({ enabled, classes }) => enabled && (classes === undefined || classes.includes(modelClass)))
    .map(({ id }) => id);
