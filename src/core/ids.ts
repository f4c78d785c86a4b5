declare const brand: unique symbol;
type Brand<Name extends string> = string & { readonly [brand]: Name };

/** Key of a runtime in the policy file, e.g. `llama`. */
export type RuntimeId = Brand<'RuntimeId'>;
/** Key of a model in the policy file, e.g. `qwen3.5-4b`. */
export type ModelId = Brand<'ModelId'>;
/** Identifier of one request, echoed as `x-request-id`. */
export type RequestId = Brand<'RequestId'>;

/** Names a string as a runtime's key; the caller has checked that the policy holds it. */
export const runtimeId = (text: string): RuntimeId => text as RuntimeId;
/** Names a string as a model's key; the caller has checked that the policy holds it. */
export const modelId = (text: string): ModelId => text as ModelId;
/** Names a string as a request's identifier. */
export const requestId = (text: string): RequestId => text as RequestId;
