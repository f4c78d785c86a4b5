import type { Clock } from '../../src/core/clock.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { openLibrary, type RkllmHandle, type RunCall } from './abi/open-library.ts';
import type { RkllmEvent, RkllmPerf } from './abi/read-result.ts';
import { loadPromptTokenizer, type PromptTokenizer } from './chat/count-tokens.ts';
import type { KvContent } from './chat/history.ts';
import { type ChatTemplate, loadChatTemplate } from './chat/render.ts';
import { loadParams } from './load-params.ts';
import type { LoadMessage } from './protocol.ts';

/** A loaded model, one run at a time. Owns the library's handle. */
export interface Engine {
  readonly load: LoadMessage;
  /** Undefined: the library's own template is used. */
  readonly template: ChatTemplate | undefined;
  readonly tokenizer: PromptTokenizer | undefined;
  readonly handle: RkllmHandle;
  /** What the KV cache holds, kept by whoever runs. */
  kv: KvContent | undefined;
  /**
   * One run to its end. Resolves with how it ended; rejects with `runtime_failed` where the library reports an error
   * or says nothing at all.
   */
  run(call: RunCall, hooks: RunHooks): Promise<RunEnd>;
  /**
   * The last token's hidden state or logits of a text, read on a cleared cache. Rejects with `runtime_failed` where
   * the library gives none.
   */
  lastRow(mode: 'hidden' | 'logits', prompt: string): Promise<{ readonly row: Float32Array; readonly count: number }>;
  /** Ends the run that is under way, asking again until it has ended. Does nothing without one. */
  abort(): void;
  /** Resolves when nothing runs. */
  idle(): Promise<void>;
}

/** Who listens to a run. */
export type RunHooks = {
  readonly onText?: (bytes: Buffer) => void;
  /** A token of which no text can be shown yet. */
  readonly onToken?: () => void;
  readonly onRow?: (values: Float32Array, count: number) => unknown;
};

/** How a run ended. */
export type RunEnd = { readonly perf: RkllmPerf; readonly aborted: boolean };

const BARE_CALL = {
  role: 'user',
  enableThinking: false,
  keepHistory: false,
  lora: undefined,
  savePromptCache: undefined,
  sampling: undefined,
  maxNewTokens: undefined,
} as const;

// An abort that comes before the library has begun the run is lost, and whether its return value tells is not known.
const ABORT_FIRST_MS = 5;
const ABORT_AGAIN_MS = 250;

/** Loads library, model and whatever lies beside it. Rejects with `runtime_missing`, `start_failed` or `invalid_config`. */
export async function loadEngine(load: LoadMessage, clock: Clock): Promise<Engine> {
  // Before the model: what is wrong with small files is known in a moment, a model takes a minute.
  const template =
    load.template === 'runtime'
      ? undefined
      : await loadChatTemplate(load.modelFile, { template: load.template, modelName: load.modelName });
  const tokenizer = await loadPromptTokenizer(load.modelFile);
  const handle = await openLibrary(load.library, load.profile).init(loadParams(load));
  if (template !== undefined) {
    // Empty parts: prompts come rendered, and the library must not wrap them again.
    await expectZero('rkllm_set_chat_template', handle.setChatTemplate('', '', ''));
  }
  for (const [name, path] of Object.entries(load.lora)) {
    await expectZero(`rkllm_load_lora for ${name} (${path})`, handle.loadLora(name, path, 1));
  }
  return new LoadedEngine({ load, template, tokenizer, handle }, clock);
}

/** Rejects with `start_failed` unless the call returns 0. */
async function expectZero(what: string, call: Promise<number>): Promise<void> {
  const code = await call;
  if (code !== 0) throw new GatewayError('start_failed', `${what} returned ${code}; see the log of the model`);
}

class LoadedEngine implements Engine {
  readonly load: LoadMessage;
  readonly template: ChatTemplate | undefined;
  readonly tokenizer: PromptTokenizer | undefined;
  readonly handle: RkllmHandle;
  kv: KvContent | undefined;
  readonly #clock: Clock;
  #running: Promise<unknown> | undefined;
  #aborted = false;

  constructor(parts: Pick<Engine, 'load' | 'template' | 'tokenizer' | 'handle'>, clock: Clock) {
    this.load = parts.load;
    this.template = parts.template;
    this.tokenizer = parts.tokenizer;
    this.handle = parts.handle;
    this.#clock = clock;
  }

  async run(call: RunCall, hooks: RunHooks): Promise<RunEnd> {
    if (this.#running !== undefined) {
      throw new GatewayError('runtime_failed', 'the model is busy: one run at a time');
    }
    this.#aborted = false;
    const run = this.#runToEnd(call, hooks);
    this.#running = run.catch(() => undefined);
    try {
      return await run;
    } finally {
      this.#running = undefined;
    }
  }

  async lastRow(mode: 'hidden' | 'logits', prompt: string) {
    this.kv = undefined;
    // Without this the second embedding of a process is all zeros.
    await this.handle.clearKvCache();
    let found: { readonly row: Float32Array; readonly count: number } | undefined;
    await this.run({ ...BARE_CALL, mode, prompt }, { onRow: (row, count) => (found = { row, count }) });
    if (found === undefined) throw new GatewayError('runtime_failed', `the library gave no ${mode} output`);
    return found;
  }

  abort(): void {
    if (this.#running === undefined || this.#aborted) return;
    this.#aborted = true;
    this.#abortUntilEnded(this.#running).catch(() => undefined);
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  async #runToEnd(call: RunCall, hooks: RunHooks): Promise<RunEnd> {
    const seen: { perf?: RkllmPerf; error?: boolean; bug?: string } = {};
    const code = await this.handle.run(call, (event) => {
      if (event.kind === 'finish') seen.perf = event.perf;
      else if (event.kind === 'error') seen.error = true;
      else if (event.kind === 'bug') {
        seen.bug ??= event.message;
        // Nobody can read what still comes; the NPU has better things to do.
        this.abort();
      } else tell(event, hooks);
    });
    if (seen.bug !== undefined) throw new GatewayError('runtime_failed', `reading the library's answer: ${seen.bug}`);
    // Which value an aborted run returns is not documented; its FINISH counts.
    if (seen.perf !== undefined && !seen.error) return { perf: seen.perf, aborted: this.#aborted };
    throw new GatewayError('runtime_failed', `rkllm_run returned ${code}${seen.error ? ' and reported an error' : ''}`);
  }

  async #abortUntilEnded(run: Promise<unknown>): Promise<void> {
    for (let waitMs = ABORT_FIRST_MS; this.#running === run; waitMs = ABORT_AGAIN_MS) {
      await this.handle.abort();
      await this.#clock.sleep(waitMs);
    }
  }
}

function tell(event: Extract<RkllmEvent, { kind: 'text' | 'waiting' | 'row' }>, hooks: RunHooks): void {
  switch (event.kind) {
    case 'text':
      hooks.onText?.(event.bytes);
      return;
    case 'waiting':
      hooks.onToken?.();
      return;
    case 'row':
      hooks.onRow?.(event.values, event.count);
      return;
  }
}
