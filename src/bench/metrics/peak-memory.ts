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
