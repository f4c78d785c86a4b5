import type { GatewayError } from '../core/errors.ts';
import type { ModelId, RequestId } from '../core/ids.ts';
import type { KeepPolicy } from '../core/policy.ts';
import type { Progress } from '../core/progress.ts';
import type { RequestFacts } from '../core/request.ts';

/**
 * One endpoint at which clients ask for a generation in a language of their own. Engines speak OpenAI's chat language;
 * a codec translates a request into it and its reply back, or passes both through where the languages agree.
 *
 *   client's bytes → decode → facts (for routing) + engine body
 *   engine's events → ReplyWriter → client's bytes
 *
 * Every folder of a language has the same files: `codec.ts`, `decode.ts`, `encode-stream.ts`, `encode-reply.ts`,
 * `encode-error.ts`; `test/dialects/contract.test.ts` holds all codecs to the same promises.
 */
export interface GenerationCodec {
  /** Path of the endpoint, which is asked by POST. */
  readonly path: string;
  /**
   * Reads a request's body; `header` gives a request header by lower-case name.
   * Throws `invalid_request`, with `param` naming the field in the client's own words.
   */
  decode(bytes: Buffer, header: (name: string) => string | undefined): DecodedGeneration;
  /** An error before the first byte of an answer. */
  encodeError: EncodeError;
  /** Header in which clients of this language look for the request's id, beside `x-request-id`; absent = none. */
  readonly requestIdHeader?: string;
}

/** Writes an error as one language's clients expect it; the id is there for what was asked of a generation. */
export type EncodeError = (error: GatewayError, requestId?: RequestId) => EncodedError;

/** An error on the wire. */
export type EncodedError = {
  /** Where the language has a status of its own for the case; absent = the usual one. */
  readonly status?: number;
  /** JSON text. */
  readonly body: string;
};

/** A request that has been read. */
export type DecodedGeneration = {
  readonly facts: RequestFacts;
  /** Path at the engine. */
  readonly enginePath: string;
  /** The body for the chosen model; `maxTokens` is the bound on output that the policy sets, undefined = none. */
  engineBody(model: ModelId, maxTokens: number | undefined): Buffer | string;
  /** The request as a chat completion, for an engine that is asked how many tokens it has. */
  chatBody(): Buffer | string;
  /** How the client wants the answering model kept from then on; absent = as it is kept. */
  readonly keep?: KeepPolicy | undefined;
  /** Set where nothing is to be generated: the model named is loaded, or unloaded, and no engine is asked. */
  readonly residency?: 'load' | 'unload' | undefined;
  /** What writes the reply; asked for once per request. */
  writer(context: ReplyContext): ReplyWriter;
};

/** What a reply may say of its request beside the engine's words. */
export type ReplyContext = {
  readonly requestId: RequestId;
  /** Wall clock at arrival, ms since 1970. */
  readonly receivedAtMs: number;
  /** How many tokens the prompt is predicted to have, for languages that tell before the engine does. */
  readonly promptTokens: number;
  /** Wall clock now, ms since 1970. */
  readonly nowMs: () => number;
};

/**
 * Writes one reply in the client's language. Calls come in the order begin → events* → end | failed, with `heartbeat`
 * before `begin` only; for a request without a stream only `end` or `failed` come, after `begin`. What is returned goes
 * to the client at once; an empty string or buffer sends nothing.
 */
export interface ReplyWriter {
  readonly contentType: string;
  /**
   * What may be sent while there is nothing to say yet: harmless to every parser of the language. `model` is who is going
   * to answer, as far as one knows; `progress` is there where the client asked to be told, and may be left out by a
   * language without a place for it.
   */
  heartbeat(model: ModelId | undefined, progress?: Progress): string;
  /** The engine has begun to answer; `model` is who answers. */
  begin(model: ModelId): Buffer | string;
  /** Whole events of the engine's stream, `[DONE]` and the last one excepted. */
  events(bytes: Buffer): Buffer | string;
  /**
   * The rest: of a stream its last events, `data: [DONE]` included; else the whole JSON reply. Both carry `x_router`.
   */
  end(last: Buffer): Buffer | string;
  /** An error after the status has gone out. */
  failed(error: GatewayError): string;
}
