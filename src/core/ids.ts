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

/**
 * A request's own number in [0, 1), the same whenever it is asked for and evenly spread over requests: FNV-1a of the
 * identifier, finished as MurmurHash3 is, because identifiers that differ in their last letter alone must not come close.
 */
export function drawOf(id: RequestId): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x1_0000_0000;
}
