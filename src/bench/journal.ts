import type { ModelId } from '../core/ids.ts';
import type { OpenBenchRun } from '../store/bench-journal-table.ts';
import type { Store } from '../store/open-store.ts';
import { type BenchSample, sampleSchema } from './samples.ts';

/**
 * The samples of a run as they are taken. Each is on the disk before the next one begins, so a run that is killed loses
 * the sample it was taking and can be gone on with.
 */
export interface Journal {
  readonly id: string;
  /** True where this step of a model has been measured already. */
  has(model: ModelId, step: string): boolean;
  /** Keeps what a step gave; a step may give nothing (a sample that had to be left out). */
  add(model: ModelId, step: string, samples: readonly BenchSample[]): void;
  /** Everything measured of a model, in the order it was. */
  samples(model: ModelId): readonly BenchSample[];
  /** The run is complete or given up: nothing to resume is left. */
  end(): void;
}

/** A journal that lives no longer than this process; for measurements that nobody would resume by hand. */
export function memoryJournal(id: string): Journal {
  return journalOver(id, new Map(), { add: () => {}, end: () => {} });
}

type Rows = Pick<Store, 'openBenchRun' | 'addBenchStep' | 'benchSteps' | 'closeBenchRun'>;

/** Opens the journal of a run: a new one, or one that was begun before. Throws `disk_full` or `store_failed`. */
export function openJournal(store: Rows, run: OpenBenchRun): Journal {
  store.openBenchRun(run);
  const steps = new Map<string, readonly BenchSample[]>();
  for (const { model, step, samples } of store.benchSteps(run.id)) {
    steps.set(keyOf(model, step), sampleSchema.array().parse(JSON.parse(samples)));
  }
  return journalOver(run.id, steps, {
    add: (model, step, samples) => store.addBenchStep(run.id, { model, step, samples: JSON.stringify(samples) }),
    end: () => store.closeBenchRun(run.id),
  });
}

function journalOver(
  id: string,
  steps: Map<string, readonly BenchSample[]>,
  keep: Pick<Journal, 'add' | 'end'>,
): Journal {
  return {
    id,
    has: (model, step) => steps.has(keyOf(model, step)),
    add: (model, step, samples) => {
      keep.add(model, step, samples);
      steps.set(keyOf(model, step), samples);
    },
    samples: (model) => [...steps].flatMap(([key, samples]) => (key.startsWith(keyOf(model, '')) ? samples : [])),
    end: keep.end,
  };
}

/** A model's id holds no line break. */
const keyOf = (model: string, step: string): string => `${model}\n${step}`;
