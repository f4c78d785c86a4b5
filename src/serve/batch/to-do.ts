import type { Plan, PlannedJob } from '../../batch/plan.ts';
import type { ModelId } from '../../core/ids.ts';

/** What of a plan is still to be begun, device by device in the plan's order. */
export interface ToDo {
  readonly size: number;
  /** Devices with something to begin. */
  devices(): readonly string[];
  first(device: string): PlannedJob | undefined;
  /** Takes the first one of a device off the list; `loadMs` is planned for it where it is its model's first. */
  take(device: string): { readonly planned: PlannedJob; readonly loadMs: number } | undefined;
  /** Planned time of what is left by device, ms: loads of models that were not begun included. */
  leftMs(lanes: (device: string) => number): ReadonlyMap<string, number>;
}

type Queue = { readonly jobs: PlannedJob[]; from: number; workMs: number; readonly loads: Map<ModelId, number> };

/** The list of a plan of which nothing has been begun. */
export function createToDo({ order, loadMs }: Pick<Plan, 'order' | 'loadMs'>): ToDo {
  const queues = new Map<string, Queue>();
  for (const planned of order) {
    let queue = queues.get(planned.device);
    if (queue === undefined) {
      queue = { jobs: [], from: 0, workMs: 0, loads: new Map() };
      queues.set(planned.device, queue);
    }
    queue.jobs.push(planned);
    queue.workMs += planned.workMs;
    queue.loads.set(planned.model, loadMs.get(planned.model) ?? 0);
  }
  let size = order.length;
  const first = (device: string) => {
    const queue = queues.get(device);
    return queue?.jobs[queue.from];
  };
  return {
    get size() {
      return size;
    },
    devices: () => [...queues.keys()].filter((device) => first(device) !== undefined),
    first,
    take: (device) => {
      const queue = queues.get(device);
      const planned = first(device);
      if (queue === undefined || planned === undefined) return undefined;
      queue.from += 1;
      queue.workMs -= planned.workMs;
      const loadMs = queue.loads.get(planned.model) ?? 0;
      queue.loads.delete(planned.model);
      size -= 1;
      return { planned, loadMs };
    },
    leftMs: (lanes) =>
      new Map(
        [...queues].map(([device, { workMs, loads }]) => {
          const loadMs = [...loads.values()].reduce((sum, one) => sum + one, 0);
          return [device, Math.max(0, workMs) / lanes(device) + loadMs];
        }),
      ),
  };
}
