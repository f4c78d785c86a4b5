import {
  openLibrary,
  type RkllmHandle,
  type RkllmLibrary,
  type RunCall,
} from '../../runtimes/rkllm/abi/open-library.ts';
import type { RkllmPerf } from '../../runtimes/rkllm/abi/read-result.ts';
import { systemClock as clock } from '../../src/core/clock.ts';
import type { ProbeSetup } from './probe-types.ts';

/** One run, as seen from outside and by the library. */
export type SessionRun = {
  readonly text: string;
  readonly code: number;
  /** From the call to the first token; undefined where none came. */
  readonly firstMs: number | undefined;
  readonly wholeMs: number;
  /** Undefined where no FINISH came. */
  readonly perf: RkllmPerf | undefined;
  readonly errors: number;
  readonly waits: number;
  readonly tokens: number;
  /** Last row of hidden states or logits. */
  readonly row: Float32Array | undefined;
};

/** A loaded model with the library's raw calls. */
export type Session = {
  readonly handle: RkllmHandle;
  readonly loadMs: number;
  /** `stopAfter`: aborts at that token, for runtimes that cannot be told a limit. */
  readonly run: (prompt: string, options?: RunOptions) => Promise<SessionRun>;
};

/** How to run. */
export type RunOptions = Partial<Pick<RunCall, 'mode' | 'keepHistory' | 'savePromptCache' | 'maxNewTokens'>> & {
  readonly stopAfter?: number;
};

// Greedy, so that the same prompt gives the same answer and a difference means something.
const GREEDY = { top_k: 1, top_p: 1, temperature: 1, repeat_penalty: 1, frequency_penalty: 0, presence_penalty: 0 };

// A process opens the library once: its stacks cannot be set a second time.
let library: RkllmLibrary | undefined;

/** Loads the model. Rejects as {@link openLibrary} does. */
export async function openSession(setup: ProbeSetup): Promise<Session> {
  library ??= openLibrary(setup.library, setup.profile);
  const startMs = clock.monotonicMs();
  const handle = await library.init({
    ...GREEDY,
    model_path: setup.modelFile,
    max_context_len: setup.contextTokens,
    max_new_tokens: setup.contextTokens,
    is_async: false,
    extend_param: { base_domain_id: setup.domainId },
  });
  const loadMs = clock.monotonicMs() - startMs;
  return { handle, loadMs, run: (prompt, options = {}) => run(handle, prompt, options) };
}

async function run(handle: RkllmHandle, prompt: string, options: RunOptions): Promise<SessionRun> {
  const startMs = clock.monotonicMs();
  const pieces: Buffer[] = [];
  const seen = { tokens: 0, waits: 0, errors: 0 };
  let firstMs: number | undefined;
  let perf: RkllmPerf | undefined;
  let row: Float32Array | undefined;
  const aborts: Promise<number>[] = [];
  const call: RunCall = {
    mode: options.mode ?? 'generate',
    prompt,
    role: 'user',
    enableThinking: false,
    keepHistory: options.keepHistory ?? false,
    lora: undefined,
    savePromptCache: options.savePromptCache,
    sampling: undefined,
    maxNewTokens: options.maxNewTokens,
  };
  const code = await handle.run(call, (event) => {
    if (event.kind === 'finish') perf = event.perf;
    else if (event.kind === 'error') seen.errors += 1;
    else if (event.kind === 'waiting') seen.waits += 1;
    else if (event.kind === 'row') row = event.values;
    else if (event.kind === 'text') {
      firstMs ??= clock.monotonicMs() - startMs;
      seen.tokens += 1;
      pieces.push(event.bytes);
      if (seen.tokens === options.stopAfter) aborts.push(handle.abort());
    }
  });
  await Promise.all(aborts);
  const wholeMs = clock.monotonicMs() - startMs;
  return { text: Buffer.concat(pieces).toString('utf8'), code, firstMs, wholeMs, perf, row, ...seen };
}
