import type { RunningManifest } from '../../src/core/runtime.ts';
import type { LoadMessage, LoadReply } from './protocol.ts';
import type { WorkerDetails } from './worker-details.ts';

type Loaded = Extract<LoadReply, { kind: 'loaded' }>;

/** Where the manifest of a loaded model is from, for people. */
export const LOAD_SOURCE = 'load of the model by librkllmrt';

/**
 * What the load of a model has told: the context it was really given (the library's log names the file's own limit), and
 * whether its template thinks. The library's own template is hidden from us, so nothing is said of thinking then.
 */
export function manifestOf(
  load: LoadMessage,
  { loaded, details, mayThink }: { loaded: Loaded; details: WorkerDetails | undefined; mayThink: boolean },
): RunningManifest {
  const limit = details?.['max_context_limit'];
  const contextTokens = typeof limit === 'number' ? Math.min(load.contextTokens, limit) : load.contextTokens;
  const capabilities = load.template === 'runtime' ? {} : { thinking: loaded.thinks && mayThink };
  return { contextTokens, capabilities, source: LOAD_SOURCE };
}
