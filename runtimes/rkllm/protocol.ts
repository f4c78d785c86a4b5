import type { ErrorCode } from '../../src/core/errors.ts';
import type { AbiProfile } from './abi/structs.ts';
import type { ChatMessage, ChatTool } from './chat/messages.ts';
import type { ReplyIdentity } from './chat/openai-encode.ts';

/**
 * What the gateway and a worker say to each other: over Node's IPC channel, and what concerns a request back over a
 * byte stream (`frames.ts`). A conversation crosses once, in `generate`; what comes back is the reply itself, as the
 * client is to have it, a few milliseconds' worth at a time: the gateway passes it on without looking into it.
 *
 *   gateway                     worker
 *     takeNpu       ──────────▶   waits until no other program has the NPU
 *                   ◀──────────   npuTaken
 *     load          ──────────▶   opens the library, loads the model
 *                   ◀──────────   loaded | loadFailed
 *     generate(7)   ──────────▶   renders, runs, writes OpenAI events
 *                   ◀══════════   started(7) bytes of 7… finished(7) | failed(7)
 *     abort(7)      ──────────▶   rkllm_abort; finished(7) or failed(7) still comes
 */
export type ToWorker =
  | LoadMessage
  | GenerateMessage
  | { readonly kind: 'embed'; readonly id: number; readonly inputs: readonly string[] }
  | RerankMessage
  | CountMessage
  | { readonly kind: 'abort'; readonly id: number }
  /** The NPU is this gateway's; before a load, so that its time limit does not count the wait for another program. */
  | { readonly kind: 'takeNpu'; readonly npuLock: string }
  /** The load failed and is not tried again. */
  | { readonly kind: 'exit' };

/** The worker's side of the conversation. */
export type FromWorker =
  | { readonly kind: 'loaded'; readonly thinks: boolean; readonly counts: boolean }
  | { readonly kind: 'loadFailed'; readonly message: string }
  | { readonly kind: 'npuTaken' }
  /** The prompt is on its way into the library. `promptTokens`: exact where the model's tokenizer is there. */
  | { readonly kind: 'started'; readonly id: number; readonly promptTokens: number | undefined }
  | FinishedMessage
  | {
      readonly kind: 'vectors';
      readonly id: number;
      readonly vectors: readonly (readonly number[])[];
      readonly tokens: number;
      readonly rssBytes: number;
    }
  | {
      readonly kind: 'scores';
      readonly id: number;
      readonly scores: readonly number[];
      readonly tokens: number;
      /** Resident memory of the worker after the run: on 1.2 such runs leak. */
      readonly rssBytes: number;
    }
  /** Undefined where the model's tokenizer is not there, or the conversation cannot be rendered. */
  | { readonly kind: 'counted'; readonly id: number; readonly tokens: number | undefined }
  | FailedMessage;

/** What the worker says before it takes requests. */
export type LoadReply = Extract<FromWorker, { kind: 'loaded' | 'loadFailed' | 'npuTaken' }>;

/** How to load the model. */
export type LoadMessage = {
  readonly kind: 'load';
  readonly library: string;
  readonly profile: AbiProfile;
  readonly runtimeVersion: string;
  readonly modelFile: string;
  readonly modelName: string | undefined;
  /** `runtime`: the library's own template; a family, a path; undefined: what lies beside the model. */
  readonly template: string | undefined;
  readonly contextTokens: number;
  readonly sampling: Readonly<Record<string, number>>;
  readonly cpuMask: number | undefined;
  readonly embedFlash: boolean | undefined;
  readonly baseDomainId: number | undefined;
  readonly lora: Readonly<Record<string, string>>;
  /** File by which programs keep off each other's NPU; undefined: this NPU is nobody else's. */
  readonly npuLock: string | undefined;
  readonly promptCache: { readonly folder: string; readonly bytesMax: number } | undefined;
};

/** One generation. */
export type GenerateMessage = {
  readonly kind: 'generate';
  readonly id: number;
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly ChatTool[];
  readonly thinking: boolean | undefined;
  readonly maxTokens: number | undefined;
  readonly stop: readonly string[];
  /** Whole set of sampling values for this run; undefined: those of the load. */
  readonly sampling: Readonly<Record<string, number>> | undefined;
  readonly lora: string | undefined;
  readonly reply: ReplyForm;
};

/** Asks how many tokens a conversation's prompt has; also while another one is answered. */
export type CountMessage = Pick<GenerateMessage, 'id' | 'messages' | 'tools' | 'thinking'> & { readonly kind: 'count' };

/** How a reply is to be written. */
export type ReplyForm = ReplyIdentity & {
  readonly stream: boolean;
  /** A stream's last event but one tells the usage. */
  readonly includeUsage: boolean;
};

/** Scores documents against a query by the probability of an answer token. */
export type RerankMessage = {
  readonly kind: 'rerank';
  readonly id: number;
  /** Prompts whose next token is looked at, and the two tokens compared. */
  readonly query: string;
  readonly documents: readonly string[];
};

/** How a generation ended, with the library's own figures. */
export type FinishedMessage = {
  readonly kind: 'finished';
  readonly id: number;
  readonly reason: 'stop' | 'length' | 'tool_calls' | 'aborted';
  readonly prefillMs: number;
  /** Prompt tokens read now; those spared by the KV cache or a prompt cache are not among them. */
  readonly prefillTokens: number;
  readonly decodeMs: number;
  readonly outputTokens: number;
  readonly memoryMb: number;
  /** Prompt tokens that were in the cache already; undefined where nobody can tell. */
  readonly cachedTokens: number | undefined;
  readonly promptCache: { readonly hits: number; readonly misses: number; readonly bytes: number } | undefined;
};

/** A request that failed; the worker lives on. */
export type FailedMessage = {
  readonly kind: 'failed';
  readonly id: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly param: string | undefined;
  /** The library reported it: its log may say more. */
  readonly byLibrary: boolean;
};
