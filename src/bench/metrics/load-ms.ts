import { type Metric, series } from './metric.ts';

/** See the definition. */
export const loadMs: Metric = {
  id: 'loadMs',
  unit: 'ms',
  side: 'served',
  definition:
    'process asked for → ready for requests (llama-server: the first /health that says so; RKLLM: rkllm_init has returned), the file in the page cache',
  measure: (samples) => series(loadMs, samples.loadsMs),
};

/** See the definition. */
export const loadColdMs: Metric = {
  id: 'loadColdMs',
  unit: 'ms',
  side: 'served',
  definition:
    'the same with the file dropped from the page cache before, which fincore confirmed; at most three times per run, once where it takes longer than two minutes',
  measure: (samples) => series(loadColdMs, samples.coldLoadsMs),
};

/** See the definition. */
export const unloadMs: Metric = {
  id: 'unloadMs',
  unit: 'ms',
  side: 'served',
  definition: 'idle process asked to stop → it has ended and its memory is free',
  measure: (samples) => series(unloadMs, samples.unloadsMs),
};
