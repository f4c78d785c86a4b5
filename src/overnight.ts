import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Batches, createBatches } from './batch/batches.ts';
import { createFiles, type Files } from './batch/files.ts';
import { FIRST_PACE } from './batch/pace.ts';
import { removeBatch } from './batch/remove-batch.ts';
import type { MachineWatch } from './bench/machine-watch.ts';
import { clientNamed, forbiddenModel } from './classify/client-rules.ts';
import { describeKnownModels, resolveModelName } from './classify/model-name.ts';
import { isModelClass } from './core/classes.ts';
import type { CancelTimer, Clock } from './core/clock.ts';
import { GatewayError, messageOf } from './core/errors.ts';
import type { Policy } from './core/policy.ts';
import type { Snapshot } from './core/snapshot.ts';
import type { GenerationCodec } from './dialects/codec.ts';
import { GENERATION_CODECS, TEXT_CODECS } from './dialects/codecs.ts';
import type { EventBus } from './observe/event-bus.ts';
import { watchPeople } from './serve/batch/people.ts';
import { type BatchRunner, createBatchRunner } from './serve/batch/runner.ts';
import type { ServeParts } from './serve/job.ts';
import { openFileShelf } from './store/file-shelf.ts';
import type { Store } from './store/open-store.ts';
import type { Lanes } from './supervise/lane.ts';
import type { Supervisor } from './supervise/supervisor-types.ts';
import type { ForeignLoad } from './transport/foreign-load.ts';

/** What batches are made of. */
export type OvernightParts = {
  readonly clock: Clock;
  readonly events: EventBus;
  readonly dataDir: string;
  readonly store: Store;
  readonly policy: () => Policy;
  readonly snapshot: () => Snapshot;
  readonly isDraining: () => boolean;
  readonly serve: ServeParts;
  readonly supervisor: Pick<Supervisor, 'connectionOf'>;
  readonly lanes: Pick<Lanes, 'views'>;
  readonly watch: Pick<MachineWatch, 'hottest'>;
  readonly foreignLoad: Pick<ForeignLoad, 'cores'>;
};

/** Files, batches and what runs them, on one data directory. */
export type Overnight = {
  readonly files: Files;
  readonly batches: Batches;
  readonly runner: BatchRunner;
  /** Deletes a batch that has ended and the files it wrote; rejects as `batch/remove-batch.ts` says. */
  readonly removeBatch: (client: string, id: string) => Promise<void>;
  /** Goes on with what was left, once models can be asked. */
  readonly start: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Gap between two looks for files whose time has come. */
const EXPIRE_EVERY_MS = 3_600_000;

/** Opens files and batches below `dataDir`; nothing runs before `start`. */
export function openOvernight(parts: OvernightParts): Overnight {
  const { clock, events, store, policy, lanes, watch, foreignLoad } = parts;
  const shelf = openFileShelf(join(parts.dataDir, 'files'));
  const { emit } = events;
  const files = createFiles({ clock, emit, table: store.batches, shelf, policy });
  const batches = createBatches({
    ...{ clock, emit, table: store.batches, queue: store.jobs, shelf, policy },
    rulesFor: (endpoint, client) => ({
      readBody: (body) => codecOf(endpoint).decode(body, () => undefined).facts,
      modelOf: (name) => modelAsked(name, policy(), client),
    }),
  });
  const people = watchPeople(clock, events, lanes);
  const runner = createBatchRunner({
    ...{ clock, emit, policy, batches, queue: store.jobs, shelf, codecOf },
    ...{ serve: parts.serve, snapshot: parts.snapshot, isDraining: parts.isDraining },
    ...{ quietMs: people.quietMs, usualGapMs: people.usualGapMs },
    modelOf: (name) => resolveModelName(name, policy())?.model,
    keepState: (model, keep) => parts.supervisor.connectionOf(model)?.keepState?.(keep),
    hottestCelsius: () => watch.hottest(),
    foreignShare: () => {
      const cores = foreignLoad.cores();
      return cores === undefined ? undefined : cores / availableParallelism();
    },
    pace: { load: () => store.batches.pace() ?? FIRST_PACE, save: (pace) => store.batches.savePace(pace) },
  });
  let cancelExpiry: CancelTimer = () => undefined;
  const expire = () => {
    cancelExpiry = clock.after(EXPIRE_EVERY_MS, expire);
    files.expire().catch((error: unknown) => {
      emit({ kind: 'gateway.notice', level: 'error', message: `expired files: ${messageOf(error)}` });
    });
  };
  return {
    files,
    batches,
    runner,
    removeBatch: (client, id) => removeBatch({ batches, files, table: store.batches, queue: store.jobs }, client, id),
    start: async () => {
      expire();
      await runner.start();
    },
    close: async () => {
      cancelExpiry();
      people.close();
      await runner.close();
    },
  };
}

function codecOf(path: string): GenerationCodec {
  const codec = [...GENERATION_CODECS, ...TEXT_CODECS].find((one) => one.path === path);
  if (codec !== undefined) return codec;
  throw new GatewayError('not_found', `no endpoint ${path}`);
}

// `auto` and `auto:<class>` leave the choice to the planner; the class is batch, whatever it says.
function modelAsked(name: string, policy: Policy, client: string): string | undefined {
  if (name === 'auto' || (name.startsWith('auto:') && isModelClass(name.slice('auto:'.length)))) return undefined;
  const found = resolveModelName(name, policy);
  const forbidden = forbiddenModel(found?.model, clientNamed(client, policy));
  if (forbidden !== undefined) throw new GatewayError(forbidden.code, forbidden.message, { param: forbidden.param });
  if (found !== undefined) return found.model;
  if (policy.gateway.unknownModel === 'auto') return undefined;
  const message = `no model "${name.slice(0, 80)}"; there are: ${describeKnownModels(policy)}`;
  throw new GatewayError('model_not_found', message, { param: 'model' });
}
