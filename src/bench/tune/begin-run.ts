import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { ModelPolicy } from '../../core/policy.ts';
import { parseCpuList } from '../../policy/units.ts';
import { modelKey } from '../../store/model-key.ts';
import type { Store } from '../../store/open-store.ts';
import type { TuneRunRow } from '../../store/tune-table.ts';
import { machineKind, readMachine, readMachineState } from '../fingerprint.ts';
import type { Machine, MachineState } from '../result.ts';
import type { Thoroughness } from './next-step.ts';
import type { Objective } from './objective.ts';
import { settingsInForce } from './settings.ts';
import { type CpuCluster, type NarrowedAxes, tuneSpace } from './space.ts';
import { type TuneRunPlan, tunePlanSchema } from './steps.ts';

/** A run to be made or gone on with. */
export type TuneRunStart = { readonly row: TuneRunRow; readonly plan: TuneRunPlan };

/** What a new run is asked for. */
export type TuneRequest = Thoroughness & {
  readonly model: ModelPolicy;
  /** Kind of its runtime. */
  readonly kind: string;
  readonly objective: Objective;
  readonly narrowed: NarrowedAxes;
  readonly memoryBytesMax: number | undefined;
  readonly budgetMs: number | undefined;
  readonly settleMs: number;
  readonly sluiceVersion: string;
  readonly sysroot?: string | undefined;
};

/**
 * A new run with everything decided: the space from the machine's CPUs, the model's settings and what was narrowed.
 * Throws `usage` for axes the kind does not have, and `model_unavailable` where the model's file cannot be read.
 */
export function newTuneRun(request: TuneRequest, clock: Clock): TuneRunStart {
  const { model, kind, narrowed, objective, memoryBytesMax, budgetMs, settleMs, sluiceVersion, rounds, pairs } =
    request;
  const key = modelKey(model);
  if (key === undefined) {
    throw new GatewayError('model_unavailable', `the file of ${model.id} cannot be read: ${model.file}`);
  }
  const startedMs = clock.nowMs();
  const machine = readMachine(request.sysroot);
  const clusters = cpuClusters(machine, readMachineState(startedMs, request.sysroot));
  const plan: TuneRunPlan = {
    modelKey: key,
    ...{ objective, memoryBytesMax, budgetMs, settleMs, rounds, pairs, sluiceVersion },
    space: tuneSpace({ kind, inForce: settingsInForce(model.settings, kind), clusters, narrowed }),
    machine: { kind: machineKind(machine), cpus: machine.cpus, model: machine.model ?? machine.cpuModel },
  };
  const startedAt = new Date(startedMs).toISOString();
  const id = `${startedAt.slice(0, 19).replaceAll(/[-:]/g, '')}Z-${clock.randomHex(3)}`;
  return { row: { id, model: model.id, startedAt, plan: JSON.stringify(plan) }, plan };
}

/** The CPUs of a machine by clock; one cluster where the kernel does not tell. */
export function cpuClusters(machine: Machine, state: MachineState): readonly CpuCluster[] {
  const clusters = state.frequencies.flatMap(({ cpus, maxKhz }) =>
    /^\d+( \d+)*$/.test(cpus) ? [{ cpus: cpus.split(' ').map(Number), maxKhz }] : [],
  );
  const online = machine.cpus === undefined ? [0] : parseCpuList(machine.cpus);
  const known = clusters.flatMap(({ cpus }) => cpus).toSorted((a, b) => a - b);
  return isDeepStrictEqual(known, [...online]) ? clusters : [{ cpus: online, maxKhz: undefined }];
}

/**
 * The run to go on with: the one of this id (its last word is enough) or of this model, or the newest that was broken off.
 * Throws `usage` where there is none.
 */
export function findOpenTune(store: Pick<Store, 'openTuneRuns'>, which: string | undefined): TuneRunStart {
  const open = store.openTuneRuns();
  const row = open.find(
    ({ id, model }) => which === undefined || id === which || id.endsWith(`-${which}`) || model === which,
  );
  if (row === undefined) {
    const known = open.map(({ id, model }) => `${id} (${model})`).join(', ');
    const what =
      which === undefined ? 'no run was broken off' : `no broken-off run is ${which} or of a model of that name`;
    throw new GatewayError('usage', `${what}; ${known === '' ? 'nothing can be resumed' : `there are ${known}`}`);
  }
  return { row, plan: tunePlanSchema.parse(JSON.parse(row.plan)) };
}

/** Throws `usage` where file or settings of the model have changed since the run began: its samples would not belong together. */
export function checkSameModel({ row, plan }: TuneRunStart, model: ModelPolicy | undefined): ModelPolicy {
  if (model !== undefined && modelKey(model) === plan.modelKey) return model;
  const why = model === undefined ? 'the policy has no such model' : 'its file or settings have changed since';
  throw new GatewayError('usage', `run ${row.id} of ${row.model} cannot be resumed: ${why}; start a new run`);
}
