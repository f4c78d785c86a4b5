import type { Plan, PlannedJob } from '../../batch/plan.ts';
import type { ModelId } from '../../core/ids.ts';

/** What of a plan is still to be begun, device by device in the plan's order. */
export interface ToDo {
  readonly size: number;
  /** Devices with something to begin. */
  devices(): readonly string[];
  /** The first one of a device whose model is none of `skip`. */
  first(device: string, skip?: ReadonlySet<ModelId>): PlannedJob | undefined;
  /** Takes that one off the list; `loadMs` is planned for it where it is its model's first. */
  take(
    device: string,
    skip?: ReadonlySet<ModelId>,
  ): { readonly planned: PlannedJob; readonly loadMs: number } | undefined;
  /** Puts one that was taken and has made way before all others of its device. */
  putBack(planned: PlannedJob): void;
  /** What is left on a device: time of the jobs, the sum of its squares, and loads of models that were not begun, ms. */
  left(device: string): { readonly workMs: number; readonly squares: number; readonly loadMs: number };
}

type Queue = {
  readonly jobs: PlannedJob[];
  from: number;
  workMs: number;
  squares: number;
  readonly loads: Map<ModelId, number>;
};

/** The list of a plan of which nothing has been begun. */
export function createToDo({ order, loadMs }: Pick<Plan, 'order' | 'loadMs'>): ToDo {
  const queues = new Map<string, Queue>();
  for (const planned of order) {
    let queue = queues.get(planned.device);
    if (queue === undefined) {
      queue = emptyQueue();
      queues.set(planned.device, queue);
    }
    queue.jobs.push(planned);
    queue.workMs += planned.workMs;
    queue.squares += planned.workMs ** 2;
    queue.loads.set(planned.model, loadMs.get(planned.model) ?? 0);
  }
  let size = order.length;
  const indexOf = (queue: Queue, skip: ReadonlySet<ModelId>): number => {
    let index = queue.from;
    while (skip.size > 0 && skip.has(queue.jobs[index]?.model as ModelId)) index += 1;
    return index;
  };
  const first = (device: string, skip: ReadonlySet<ModelId> = NOBODY) => {
    const queue = queues.get(device);
    return queue?.jobs[indexOf(queue, skip)];
  };
  return {
    get size() {
      return size;
    },
    devices: () => [...queues.keys()].filter((device) => first(device) !== undefined),
    first,
    take: (device, skip = NOBODY) => {
      const queue = queues.get(device);
      const planned = first(device, skip);
      if (queue === undefined || planned === undefined) return undefined;
      const index = indexOf(queue, skip);
      if (index === queue.from) queue.from += 1;
      else queue.jobs.splice(index, 1);
      queue.workMs -= planned.workMs;
      queue.squares -= planned.workMs ** 2;
      const loadMs = queue.loads.get(planned.model) ?? 0;
      queue.loads.delete(planned.model);
      size -= 1;
      return { planned, loadMs };
    },
    putBack: (planned) => {
      const queue = queues.get(planned.device) ?? emptyQueue();
      queues.set(planned.device, queue);
      queue.jobs.splice(queue.from, 0, planned);
      queue.workMs += planned.workMs;
      queue.squares += planned.workMs ** 2;
      size += 1;
    },
    left: (device) => {
      const { workMs, squares, loads } = queues.get(device) ?? NOTHING;
      const loadMs = [...loads.values()].reduce((sum, one) => sum + one, 0);
      return { workMs: Math.max(0, workMs), squares: Math.max(0, squares), loadMs };
    },
  };
}

const emptyQueue = (): Queue => ({ jobs: [], from: 0, workMs: 0, squares: 0, loads: new Map() });
const NOBODY: ReadonlySet<ModelId> = new Set();
const NOTHING: Pick<Queue, 'workMs' | 'squares' | 'loads'> = { workMs: 0, squares: 0, loads: new Map() };
