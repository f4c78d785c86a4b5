import type { GatewayError } from './errors.ts';
import type { Capabilities, ModelPolicy, RuntimePolicy } from './policy.ts';
import type { ModelFacts } from './profile.ts';
import type { Availability } from './snapshot.ts';

/** The program families the gateway knows, each a folder under `runtimes/`. */
export const RUNTIME_KINDS = ['llama-server', 'rkllm', 'simulated'] as const;

/**
 * What a runtime kind must provide; each folder under `runtimes/` exports one. The supervisor starts, watches and
 * stops the processes; an adapter only knows its program's language.
 *
 *   inspect ─ may this model run here, what would it need?   (no process of the model is started)
 *   launch  ─ program, arguments, environment                (pure once the program has been probed)
 *   connect ─ how to talk to the process that was started
 */
export interface RuntimeAdapter {
  readonly kind: string;
  /** Looks at the program and the model's file. Never throws: what is wrong is in `availability`. */
  inspect(model: ModelPolicy, runtime: RuntimePolicy): Promise<Inspection>;
  /** Command line of the child. Throws `runtime_missing` or `invalid_config` where a needed flag does not exist. */
  launch(model: ModelPolicy, runtime: RuntimePolicy, endpoint: ChildEndpoint): Promise<LaunchPlan>;
  /**
   * Opens the way to a started child. Does not wait for it to be ready. `channel` is there when the launch plan asked
   * for one.
   */
  connect(model: ModelPolicy, endpoint: ChildEndpoint, channel?: ChildChannel): RuntimeConnection;
  /** Time allowed for a load, ms, where this kind knows better than the supervisor's own rule. */
  loadDeadlineMs?(weightsBytes: number): number;
  /** True where a child's process may be stopped in the middle of its work and go on later as if nothing had been. */
  readonly pausable?: boolean;
  /**
   * What the machine itself may need, ms, on top of the time an engine is given to stop; absent = none. Only of a
   * simulated board, whose clock runs faster than the machine does.
   */
  readonly slackMs?: number;
  /**
   * What the last lines of a child that ended while it loaded mean; undefined when they tell nothing. `permanent`:
   * trying again with the same file and settings can only fail again.
   */
  explainExit?(lastLines: readonly string[]): ExitExplanation | undefined;
}

/** Why a child ended, in the words of its own log. */
export type ExitExplanation = { readonly reason: string; readonly permanent: boolean };

/** Result of looking at a model before running it. */
export type Inspection = {
  readonly availability: Availability;
  /** Undefined when the file could not be read. */
  readonly facts: ModelFacts | undefined;
  /** Program version and build, e.g. `0.7.0 (build 11669)`; undefined when it could not be run. */
  readonly runtimeVersion: string | undefined;
};

/** Where a child listens and the key it was given. */
export type ChildEndpoint = { readonly port: number; readonly apiKey: string };

/** How to start a child. */
export type LaunchPlan = {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** True: the child is a Node program and is given Node's IPC channel. */
  readonly ipc?: boolean;
  /** True, beside `ipc`: the child is also given a socket as its file descriptor 4, for bytes that are no messages. */
  readonly byteStream?: boolean;
};

/** Node's IPC channel to a child: whole messages, in order, beside its stdout, which libraries print to. */
export interface ChildChannel {
  /** Sends a message; silent when the child is gone, which `onClose` tells. */
  send(message: object): void;
  /** Calls `listener` for every message; returns the way to stop. */
  onMessage(listener: (message: unknown) => void): () => void;
  /** Calls `listener` with whatever the child wrote to its byte stream, where the launch plan asked for one. */
  onBytes(listener: (bytes: Buffer) => void): () => void;
  /** Calls `listener` for every line the child prints, stdout and stderr; returns the way to stop. */
  onLine(listener: (line: string) => void): () => void;
  /**
   * Calls `listener` once when the channel has closed and the byte stream is read to its end, at once where that has
   * been already; returns the way to stop.
   */
  onClose(listener: () => void): () => void;
  /** Ends the channel; the child takes it for our death. */
  close(): void;
}

/** The way to one running child. */
export interface RuntimeConnection {
  /**
   * Resolves when the child may load, where its kind loads only while the device does nothing else; asked once, before
   * `ready`. Time spent here is no part of the load. Rejects with the signal's reason on abort.
   */
  turn?(signal: AbortSignal): Promise<void>;
  /** Resolves once the model is loaded. Rejects with the signal's reason on abort; a refused connection is "not yet". */
  ready(signal: AbortSignal): Promise<void>;
  /** Generates one token; rejects when the child answers but cannot generate. */
  canary(signal: AbortSignal): Promise<void>;
  /**
   * Resolves when the engine runs no more generations than `othersRunning` says (default: none): after an abort, the
   * lane is free only then.
   */
  idle(signal: AbortSignal, othersRunning?: () => number): Promise<void>;
  /** Sends a request in the OpenAI language and passes the reply's bytes through, untouched. */
  exchange(path: string, body: Buffer | string, sink: ReplySink): Exchange;
  /** What is known of the running child beyond its model's facts, for people; undefined before anything is. */
  details?(): Readonly<Record<string, unknown>> | undefined;
  /**
   * What the child says of itself, once it has loaded: truer than what its file lets guess. The same object as long as
   * nothing changed; undefined where its kind does not tell.
   */
  manifest?(): RunningManifest | undefined;
  /**
   * Exact tokens of a chat request's prompt, by the child's own template and tokenizer, whether or not it generates at
   * the time; undefined where it cannot count. Rejects with the signal's reason on abort.
   */
  countTokens?(body: Buffer | string, signal: AbortSignal): Promise<number | undefined>;
  /**
   * The tokens of a text, as numbers or, with pieces, as `{id, piece}`; whether or not the child generates at the time.
   * Undefined where it cannot. Rejects with the signal's reason on abort.
   */
  tokenize?(text: string, how: TokenizeOptions, signal: AbortSignal): Promise<readonly unknown[] | undefined>;
  /** Why the child should make way for a fresh one once nothing runs; undefined as long as it is well. */
  worn?(rssBytes: number): string | undefined;
  /**
   * Whether what the child holds of prompts is worth keeping: something goes on with it later. Then `suspend` saves it
   * where the kind can, and the next process of the model begins with it.
   */
  keepState?(keep: boolean): void;
  /** Called before the process is asked to go; resolves when what is to be kept is on the disk. Undefined = nothing is. */
  suspend?(): Promise<void> | undefined;
  /** Closes sockets. The process is the supervisor's. */
  close(): void;
}

/** How a text is cut into tokens. */
export type TokenizeOptions = {
  /** With the tokens the model expects at the beginning of a prompt. */
  readonly addSpecial: boolean;
  /** With each token's text beside its number. */
  readonly withPieces: boolean;
};

/** What a running child says of itself. */
export type RunningManifest = {
  /** Context of one slot, tokens; absent where it does not say. */
  readonly contextTokens?: number;
  readonly capabilities: Partial<Capabilities>;
  /** Where that stands, for people: `/props of the running child`. */
  readonly source: string;
};

/**
 * Receives a reply as it comes. Calls are made from the socket's read event, in the order
 * head → chunk* → (end | failed); after end or failed nothing more is called.
 */
export interface ReplySink {
  head(status: number, contentType: string): void;
  /** Returns false when the reader is full: no more comes until `Exchange.resume()`. */
  chunk(bytes: Buffer): boolean;
  end(): void;
  failed(error: GatewayError): void;
  /** Fields of the request that this runtime cannot honour, told before `head`. */
  ignored?(fields: readonly string[]): void;
}

/** A running exchange. */
export interface Exchange {
  /** Destroys the socket, which makes the engine stop. The sink gets nothing more. */
  abort(): void;
  resume(): void;
}
