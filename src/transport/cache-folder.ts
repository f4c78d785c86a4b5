import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The folder of what can be had again: the installed llama.cpp (`llama.cpp/`) and the demo models (`demo-models/`).
 * `SLUICE_CACHE`, else `sluice` in the XDG cache folder; the same rule as in `scripts/install-llama-cpp`.
 */
export const cacheFolder = (environment: NodeJS.ProcessEnv): string =>
  environment['SLUICE_CACHE'] || join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'sluice');
