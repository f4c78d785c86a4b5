import { type Metric, series } from './metric.ts';

/** See the definition. The first load after a reboot reads the disk; its sample stays visible in `samples`. */
export const loadMs: Metric = {
  id: 'loadMs',
  unit: 'ms',
  side: 'served',
  definition:
    'process asked for → ready for requests (llama-server: the first /health that says so; RKLLM: rkllm_init has returned); repeated from a stopped process, the file mostly in the page cache after the first time',
  measure: (samples) => series(loadMs, samples.loadsMs),
};
