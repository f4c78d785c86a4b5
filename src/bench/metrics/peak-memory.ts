import { type Metric, series } from './metric.ts';

/** See the definition. */
export const peakMemory: Metric = {
  id: 'peakMemoryBytes',
  unit: 'bytes',
  side: 'served',
  definition:
    'highest resident memory of the served process (VmHWM of /proc/PID/status) after all requests; mapped weights that were read count; the largest of the run',
  // The largest, not the median: it decides what fits, and a child that once needed it may need it again. One
  // sample is enough for that, so it is never provisional.
  measure: (samples) =>
    series(peakMemory, samples.peakMemoryBytes, { value: Math.max(...samples.peakMemoryBytes), provisional: false }),
};

/** See the definition. */
export const proportionalMemory: Metric = {
  id: 'proportionalMemoryBytes',
  unit: 'bytes',
  side: 'served',
  definition:
    'memory of the served process after the requests of a round with shared pages counted by its share of them (Pss of /proc/PID/smaps_rollup); below VmHWM where weights are mapped by two processes',
  measure: (samples) => series(proportionalMemory, samples.proportionalMemoryBytes),
};
