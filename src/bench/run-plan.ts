import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { type ModelId, modelId } from '../core/ids.ts';
import type { Policy } from '../core/policy.ts';
import type { OpenBenchRun } from '../store/bench-journal-table.ts';
import { modelKey } from '../store/model-key.ts';
import type { Store } from '../store/open-store.ts';
import {
  type BenchOptions,
  type BenchPlan,
  REPETITIONS_DEFAULT,
  type ResumedRun,
  type Run,
  SETTLE_MS_DEFAULT,
} from './bench-options.ts';

const planSchema = z.object({
  models: z.array(z.string()).readonly(),
  /** Key of every model when the run began: other files or settings are another run. */
  modelKeys: z.record(z.string(), z.string()),
  repetitions: z.int().positive(),
  settleMs: z.number(),
  sides: z.enum(['both', 'raw', 'served']),
  depths: z.boolean(),
  coldLoads: z.boolean(),
  sustainedMs: z.number(),
  pairs: z.boolean(),
  quality: z.boolean().default(false),
});

type Decided = Omit<BenchPlan, 'models' | 'modelKeys'> &
  Pick<Run, 'id' | 'startedAt'> & { readonly models: readonly ModelId[]; readonly row: OpenBenchRun };

/** The run these options ask for: a new one with a new id, or the one to resume. */
export function newRun(options: BenchOptions): Decided {
  if (options.resume !== undefined) {
    const { row, plan } = options.resume;
    return { ...plan, models: plan.models.map(modelId), id: row.id, startedAt: row.startedAt, row };
  }
  const startedMs = options.clock.nowMs();
  const startedAt = new Date(startedMs).toISOString();
  const id = `${startedAt.slice(0, 19).replaceAll(/[-:]/g, '')}Z-${options.clock.randomHex(3)}`;
  const plan: BenchPlan = {
    models: options.models,
    modelKeys: keysOf(options.policy, options.models),
    repetitions: options.repetitions ?? REPETITIONS_DEFAULT,
    settleMs: options.settleMs ?? SETTLE_MS_DEFAULT,
    sides: options.sides ?? 'both',
    depths: options.depths ?? true,
    coldLoads: options.coldLoads ?? true,
    sustainedMs: options.sustainedMs ?? 0,
    pairs: options.pairs ?? false,
    quality: options.quality ?? false,
  };
  return { ...plan, models: options.models, id, startedAt, row: { id, startedAt, plan: JSON.stringify(plan) } };
}

const keysOf = (policy: Policy, models: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    models.flatMap((id) => {
      const model = policy.models.get(modelId(id));
      const key = model === undefined ? undefined : modelKey(model);
      return key === undefined ? [] : [[id, key]];
    }),
  );

/**
 * The run to go on with: the one of this id (its last word is enough), or the newest that was broken off. Throws `usage`
 * where there is none, or where a model's file or settings have changed since: its samples would not belong together.
 */
export function findOpenRun(store: Pick<Store, 'openBenchRuns'>, policy: Policy, id?: string): ResumedRun {
  const open = store.openBenchRuns();
  const row = open.find((run) => id === undefined || run.id === id || run.id.endsWith(`-${id}`));
  if (row === undefined) {
    const known = open.map((run) => run.id).join(', ');
    const which = id === undefined ? 'no run was broken off' : `no broken-off run is called ${id}`;
    throw new GatewayError('usage', `${which}; ${known === '' ? 'nothing can be resumed' : `there are ${known}`}`);
  }
  const plan = planSchema.parse(JSON.parse(row.plan));
  const now = keysOf(policy, plan.models);
  const changed = plan.models.filter((model) => now[model] !== plan.modelKeys[model]);
  if (changed.length > 0) {
    throw new GatewayError(
      'usage',
      `run ${row.id} cannot be resumed: file or settings of ${changed.join(', ')} have changed since; start a new run`,
    );
  }
  return { row, plan };
}
