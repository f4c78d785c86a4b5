import { MODEL_CLASSES, type ModelClass } from '../../core/classes.ts';
import type { ModelId } from '../../core/ids.ts';
import type { Policy } from '../../core/policy.ts';
import { decodeMsOf, prefillMsOf } from '../../core/service-model.ts';
import type { WorkloadPlan } from '../workload.ts';
import type { World } from '../world.ts';
import { modelsFor, type NamedRule } from './rule.ts';

/** One model for everything. */
export const always = (model: ModelId): NamedRule => ({
  name: `always ${model}`,
  create: ({ policy }) => ({
    // Where the model may not serve a class, the first that may does.
    choose: ({ workload }) => {
      const open = modelsFor(policy, workload.class);
      return open.includes(model) ? model : first(open, workload.class);
    },
  }),
});

/** Any model, by chance. */
export const random: NamedRule = {
  name: 'random',
  create: ({ policy, draws }) => ({
    choose: ({ workload }) => {
      const open = modelsFor(policy, workload.class);
      return open[Math.floor(draws.uniform() * open.length)] ?? first(open, workload.class);
    },
  }),
};

/** One model after the other. */
export const roundRobin: NamedRule = {
  name: 'round robin',
  create: ({ policy }) => {
    let turn = -1;
    return {
      choose: ({ workload }) => {
        const open = modelsFor(policy, workload.class);
        turn += 1;
        return open[turn % open.length] ?? first(open, workload.class);
      },
    };
  },
};

/** Longer prompts to larger models, as complexity routers do that look at nothing else. */
export const bySize: NamedRule = {
  name: 'size only',
  create: ({ world }) => {
    const bySize = [...world.models.values()].toSorted(
      (a, b) => (a.facts.parametersBillion ?? 0) - (b.facts.parametersBillion ?? 0),
    );
    return {
      choose: ({ workload }) => {
        const open = bySize.filter(({ policy: { classes } }) => classes?.includes(workload.class) ?? true);
        const step = Math.floor(Math.log2(Math.max(1, workload.promptChars / SIZE_CHARS_FIRST)));
        const chosen = open[Math.min(open.length - 1, Math.max(0, step))];
        return chosen?.policy.id ?? first([], workload.class);
      },
    };
  },
};

/** About 40 tokens: below it the smallest model, then one size up with every doubling. */
const SIZE_CHARS_FIRST = 144;

/**
 * The best table an operator could write by hand: per class the model of the highest quality whose usual run with twice
 * the usual answer meets the targets on an idle machine. Knows the true figures; never looks at the queue.
 */
export const staticTable = (plan: WorkloadPlan): NamedRule => ({
  name: 'static table',
  create: ({ policy, world }) => {
    const table = new Map<ModelClass, ModelId>();
    for (const name of MODEL_CLASSES) table.set(name, bestOnIdle(name, { policy, world, plan }));
    return { choose: ({ workload }) => table.get(workload.class) ?? first([], workload.class) };
  },
});

type TableParts = { readonly policy: Policy; readonly world: World; readonly plan: WorkloadPlan };

function bestOnIdle(modelClass: ModelClass, { policy, world, plan }: TableParts): ModelId {
  const open = modelsFor(policy, modelClass).flatMap((id) => world.models.get(id) ?? []);
  const usual = modelClass === 'batch' ? plan.batch : plan.streams.find((stream) => stream.class === modelClass);
  const { ttftMs = Number.POSITIVE_INFINITY, e2eMs = Number.POSITIVE_INFINITY } = policy.classes[modelClass];
  const runMs = ({ service }: (typeof open)[number]) => {
    const prefillMs = prefillMsOf(service, usual?.prompt.median ?? 0);
    return { ttft: prefillMs, e2e: prefillMs + decodeMsOf(service, 0, 2 * (usual?.output.median ?? 0)) };
  };
  const inTime = open.filter((model) => runMs(model).ttft <= ttftMs && runMs(model).e2e <= e2eMs);
  const best = inTime.toSorted((a, b) => b.policy.quality - a.policy.quality)[0];
  const fastest = open.toSorted((a, b) => runMs(a).e2e - runMs(b).e2e)[0];
  return (best ?? fastest)?.policy.id ?? first([], modelClass);
}

/** As llama-swap without a model's name: the first one of the file that is loaded, so that nothing is swapped. */
export const firstResident: NamedRule = {
  name: 'first resident',
  create: ({ policy }) => ({
    choose: ({ workload, snapshot }) => {
      const open = modelsFor(policy, workload.class);
      const isLoaded = (id: ModelId) => {
        const kind = snapshot.models.get(id)?.residency.kind;
        return kind === 'ready' || kind === 'busy' || kind === 'starting';
      };
      return open.find(isLoaded) ?? first(open, workload.class);
    },
  }),
};

function first(open: readonly ModelId[], modelClass: ModelClass): ModelId {
  const id = open[0];
  if (id === undefined) throw new Error(`no model of the policy serves class ${modelClass}`);
  return id;
}
