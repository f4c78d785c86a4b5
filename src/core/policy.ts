import type { ModelClass } from './classes.ts';
import type { ClientPolicy } from './client-policy.ts';
import type { ModelId, RuntimeId } from './ids.ts';

/**
 * The policy after it has been read: every duration in ms, every size in bytes, every CPU list a sorted list of
 * numbers. `src/policy` makes it from YAML; everything else reads only this. Frozen, replaced whole on a reload.
 */
export type Policy = {
  /** Absolute path of the file it came from, or `<builtin>`. */
  readonly file: string;
  /** First 12 hex digits of the SHA-256 of the text. */
  readonly revision: string;
  readonly gateway: GatewayPolicy;
  readonly machine: MachinePolicy;
  readonly devices: ReadonlyMap<string, DevicePolicy>;
  readonly runtimes: ReadonlyMap<RuntimeId, RuntimePolicy>;
  readonly models: ReadonlyMap<ModelId, ModelPolicy>;
  readonly classes: Readonly<Record<ModelClass, ClassPolicy>>;
  readonly routing: RoutingPolicy;
  readonly classify: ClassifyPolicy;
  readonly batch: BatchPolicy;
  readonly bench: { readonly idle: IdleBenchPolicy | undefined };
  readonly observe: { readonly otlp: OtlpPolicy };
  readonly verdicts: VerdictPolicy;
  readonly clients: readonly ClientPolicy[];
};

/** When and how batches run. */
export type BatchPolicy = {
  /** Open while one of them is; none = always. */
  readonly windows: readonly Window[];
  /** IANA name, for windows that a batch brings without one. */
  readonly timezone: string;
  /** Also outside the windows once nobody has asked for so long; undefined = never. */
  readonly idleMs: number | undefined;
  /** No item is begun while the hottest thermal zone is at or above. */
  readonly temperatureMaxCelsius: number;
  /** No item is begun while other programs take more of the CPUs, 0..1. */
  readonly foreignLoadMax: number;
  /** What a running item does when somebody waits. */
  readonly yield: 'finish' | 'stop' | 'resume';
  /** A model that had to leave for people comes back after so long without them. */
  readonly swapBackMs: number;
  /** An item over which a child has died so often is not tried again. */
  readonly crashesMax: number;
  readonly fileBytesMax: number;
  readonly linesMax: number;
  /** Life of files that have no expiry of their own. */
  readonly keepFilesMs: number;
};

/** When loaded models may be measured again while nobody asks; undefined in the policy = never. */
export type IdleBenchPolicy = {
  /** Time without any request before it begins. */
  readonly afterMs: number;
  /** Only while the hottest thermal zone is below. */
  readonly temperatureMaxCelsius: number;
  /** Figures older than this are measured again. */
  readonly maxAgeMs: number;
};

/** Where traces and metrics are sent by OpenTelemetry's protocol. */
export type OtlpPolicy = {
  /** Base address of a collector; undefined = what OpenTelemetry's own variables say. */
  readonly endpoint: string | undefined;
  /** Gap between two sendings of metrics. */
  readonly everyMs: number;
  /** Share of requests whose trace is sent, 0..1. */
  readonly traceShare: number;
};

/** The bounds that say what a model is good for on this machine; see `report/verdict.ts`. */
export type VerdictPolicy = {
  /** The standard chat that models are compared by. */
  readonly chat: { readonly promptTokens: number; readonly outputTokens: number };
  /** A standard chat answered within this is excellent, ms. */
  readonly excellentMs: number;
  /** … comfortable. */
  readonly comfortableMs: number;
  /** … still worth waiting for, when the answer has to be better. */
  readonly deliberateMs: number;
  /** An NPU model that decodes more slowly is not for conversation, tokens per second. */
  readonly npuDecodeFloor: number;
  /** Below this a page of text takes a quarter of an hour, tokens per second. */
  readonly decodeFloor: number;
  /** A model that takes more of the memory all models may have leaves no room for the others, 0..1. */
  readonly memoryShareMax: number;
};

export type GatewayPolicy = {
  readonly host: string;
  readonly port: number;
  /** What to do with a `model` nobody knows. */
  readonly unknownModel: 'reject' | 'auto';
  /** Larger request bodies are refused with 413. */
  readonly bodyBytesMax: number;
  /** A stream's headers go out at the latest this long after it arrived. */
  readonly earlyHeadersMs: number;
  /** Gap between heartbeats on an answer that has nothing to say yet. */
  readonly heartbeatMs: number;
  /** A non-stream answer keeps its true status code this long, then commits 200 and sends white space. */
  readonly statusHoldMs: number;
  /** A client that has taken nothing of what is written to it for this long is cut off, and its run stopped. */
  readonly writeTimeoutMs: number;
  /** On SIGTERM, running requests get this long to finish. */
  readonly drainMs: number;
  /** Most requests waiting per lane and class; one more is refused. */
  readonly queueDepthMax: number;
  /** Origins whose pages may use the API from a browser; `*` = any. */
  readonly corsOrigins: readonly string[];
  /** Keep what a request asked for (never its texts), so that `policy diff` can try another policy on it. */
  readonly recordFeatures: boolean;
  /** What is done with an answer that has begun to repeat itself: nothing, or it is broken off. */
  readonly streamGuard: 'off' | 'stop';
};

export type MachinePolicy = {
  /** Budget all children share; undefined = the machine's own memory. */
  readonly memoryBytes: number | undefined;
  /** Never given to children. */
  readonly reserveBytes: number;
  /** Added to the environment of every child and every before_start command. */
  readonly environment: Readonly<Record<string, string>>;
  /** V8 old-space limit of the gateway itself, bytes; undefined = Node's default. */
  readonly nodeHeapBytes: number | undefined;
  readonly beforeStart: readonly BeforeStart[];
};

/** A command run once before the first child, e.g. a hardware daemon. */
export type BeforeStart = {
  readonly run: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** When it counts as done: the command exits 0, a TCP port accepts, a URL answers 2xx, or a file exists. */
  readonly ready:
    | { readonly kind: 'exit' }
    | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
    | { readonly kind: 'http'; readonly url: string }
    | { readonly kind: 'file'; readonly path: string };
  readonly timeoutMs: number;
  /** True: the process stays and is stopped with us. False: it must end by itself. */
  readonly keep: boolean;
  /** True: where `ready` already holds (the daemon runs), the command is not run. Never stopped by us then. */
  readonly skipWhenReady: boolean;
};

export type DevicePolicy = {
  readonly id: string;
  /** Generations at a time on this device. */
  readonly lanes: number;
};

export type RuntimePolicy = {
  readonly id: RuntimeId;
  /** Name of a folder under `runtimes/`. */
  readonly kind: string;
  readonly device: string;
  /** Program to run (llama-server): a name on PATH or an absolute path. */
  readonly binary: string | undefined;
  readonly benchBinary: string | undefined;
  /** Shared library to load (rkllm). */
  readonly library: string | undefined;
  readonly settings: RuntimeSettings;
};

/**
 * Launch settings; a model's own are laid over its runtime's. Undefined = the flag is not passed.
 * Settings that only another kind understands are refused by that kind's adapter, not here.
 */
export type RuntimeSettings = {
  /** CPUs the child may run on, e.g. `0-7`, sorted. */
  readonly cpus?: readonly number[];
  readonly threads?: number;
  readonly threadsBatch?: number;
  /** Context length in tokens (prompt + output). */
  readonly context?: number;
  /** Slots of one child = generations at a time in one model. */
  readonly parallel?: number;
  readonly batch?: number;
  readonly ubatch?: number;
  readonly jinja?: boolean;
  readonly reasoningBudget?: number;
  readonly cacheTypeK?: string;
  readonly cacheTypeV?: string;
  readonly flashAttention?: 'on' | 'off' | 'auto';
  /** Cap of llama-server's prompt cache in RAM. Its own default is 8 GiB per process. */
  readonly cacheRamBytes?: number;
  readonly gpuLayers?: number;
  readonly loadMode?: 'mmap' | 'none' | 'mlock';
  readonly contextCheckpoints?: number;
  readonly checkpointMinStep?: number;
  readonly chatTemplateFile?: string;
  /** Vision projector file. */
  readonly mmproj?: string;
  /** llama.cpp `--prio`: -1 low, 0 normal, 1 medium, 2 high, 3 realtime. */
  readonly priority?: number;
  /** Passed to the program unchanged, after ours. */
  readonly extraArgs?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** RKLLM: bit mask of CPUs, from `0xF0`. */
  readonly cpuMask?: number;
  readonly embedFlash?: boolean;
  readonly baseDomainId?: number;
  /** RKLLM: binary interface of a library whose version is not known. */
  readonly abi?: '1.2' | '1.3';
  /** RKLLM: chat template: a family's name, an absolute path, or `runtime` for the library's own. */
  readonly template?: string;
  /** RKLLM: LoRA adapters by the name requests use; absolute paths. */
  readonly lora?: Readonly<Record<string, string>>;
  /** RKLLM: saved prompt prefixes may take so much of the disk; undefined = none are saved. */
  readonly promptCacheBytes?: number;
  /** The model computes embeddings and generates nothing. */
  readonly embeddings?: boolean;
  /** llama-server: how tokens' vectors become one of the text; undefined = the model's own way. */
  readonly pooling?: 'mean' | 'cls' | 'last';
  /** The model scores documents (Qwen3-Reranker) and generates nothing. */
  readonly rerank?: boolean;
};

export type ModelPolicy = {
  readonly id: ModelId;
  readonly runtime: RuntimeId;
  /** Absolute path; relative ones are taken from the policy file's folder. */
  readonly file: string;
  readonly aliases: readonly string[];
  /** Quality prior, 0..1, used until measured quality exists. */
  readonly quality: number;
  readonly keep: KeepPolicy;
  /** Only these classes may choose it; undefined = all but batch-only models' business. */
  readonly classes: readonly ModelClass[] | undefined;
  /** The runtime's settings with the model's own laid over them. */
  readonly settings: RuntimeSettings;
  readonly sampling: Readonly<Record<string, number>>;
  /** False: declared, never chosen. */
  readonly enabled: boolean;
  /** What the operator declares the model can or cannot do; undefined = the runtime's own word. */
  readonly capabilities: Partial<Capabilities>;
};

export type KeepPolicy =
  | { readonly kind: 'resident' }
  | { readonly kind: 'idle'; readonly idleMs: number }
  | { readonly kind: 'never' };

/** What a model can be asked for. A hard filter: a request that needs one never goes to a model without it. */
export type Capabilities = {
  readonly streaming: boolean;
  readonly tools: boolean;
  readonly vision: boolean;
  readonly audio: boolean;
  /** Grammar-constrained output: JSON mode and JSON schema are guaranteed, not hoped for. */
  readonly jsonSchema: boolean;
  readonly logprobs: boolean;
  /** Answers in words; false for a model that only computes vectors or scores. Every chat needs it. */
  readonly generation: boolean;
  /** Goes on with a raw prompt, past its chat template. */
  readonly completions: boolean;
  readonly embeddings: boolean;
  /** Scores how well documents answer a query. */
  readonly rerank: boolean;
  readonly thinking: boolean;
};

export type ClassPolicy = {
  /** TTFT target, ms. */
  readonly ttftMs: number | undefined;
  /** End-to-end target, ms. */
  readonly e2eMs: number | undefined;
  readonly minQuality: number;
  readonly whenNone: 'degrade' | 'defer' | 'reject';
  readonly prefer: ModelId | undefined;
  /** Quantile of the output length and of the promise, 0..1. */
  readonly quantile: number;
  /** Prior of the output length in tokens at that quantile, until traffic has taught better. */
  readonly outputTokens: number;
  readonly window: Window | undefined;
  readonly yieldTo: readonly ModelClass[];
};

/** How feasible models are compared; prices are in quality, 0..1. See `route/choose.ts`. */
export type RoutingPolicy = {
  /** Share of requests with time to spare that take the second best loaded model. */
  readonly explore: number;
  /** Per unit of load on the device and share of the E2E target that a run takes. */
  readonly congestionPrice: number;
  /** Per share of the E2E target that a load takes. */
  readonly loadPrice: number;
  /** What a load that evicts another model must gain at least. */
  readonly swapMargin: number;
  /** For the model that holds the whole prompt already; in proportion for a part of it. */
  readonly conversationBonus: number;
};

/** Daily time window in one time zone; may cross midnight. start = end means the whole day. */
export type Window = {
  /** Minutes after midnight, 0..1439. */
  readonly startMinute: number;
  readonly endMinute: number;
  /** Days on which it begins, 0 = Sunday to 6; absent = every day. */
  readonly days?: readonly number[];
  /** IANA name. */
  readonly timezone: string;
  /** As written, e.g. `22:00-07:00`. */
  readonly text: string;
};

/** How a request that names no class gets one. */
export type ClassifyPolicy = {
  readonly rules: readonly ClassifyRule[];
  /** Who guesses task and class: the linear model, nobody, or a model of this policy, which is asked first. */
  readonly model:
    | { readonly kind: 'linear' }
    | { readonly kind: 'off' }
    | { readonly kind: 'model'; readonly id: ModelId };
  /** Guesses of a lower probability are not used, 0..1. */
  readonly confidence: number;
  /** A model is asked only where it is expected to answer within this time. */
  readonly budgetMs: number;
  /** True: a guess may make a request batch. False: it becomes `quality` instead. */
  readonly allowBatch: boolean;
};

export type ClassifyRule = {
  readonly when: RuleCondition;
  readonly class: ModelClass;
  /** Where it stands in the file, for reasons: `classify.rules[0]`. */
  readonly path: string;
};

/** All conditions given must hold. */
export type RuleCondition = {
  readonly maxTokensLte?: number;
  readonly maxTokensGte?: number;
  readonly promptTokensLte?: number;
  readonly promptTokensGte?: number;
  readonly systemMatches?: RegExp;
  readonly lastUserMatches?: RegExp;
  readonly header?: { readonly name: string; readonly equals?: string; readonly matches?: RegExp };
  readonly client?: string;
  readonly stream?: boolean;
  readonly hasTools?: boolean;
  readonly hasImages?: boolean;
  readonly task?: string;
};
