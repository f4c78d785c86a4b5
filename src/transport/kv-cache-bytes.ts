import type { GgufMetadata } from './gguf-metadata.ts';

/** Types a KV cache can be kept in that we know the size of. */
export type KvCacheType = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q5_1' | 'q5_0' | 'q4_1' | 'q4_0' | 'iq4_nl';

// ggml-common.h: a block of 32 elements is a half-float scale (and, for *_1, a half-float minimum) and the numbers.
const kvBytesPerElement: Record<KvCacheType, number> = {
  f32: 4,
  f16: 2,
  bf16: 2,
  q8_0: 34 / 32,
  q5_1: 24 / 32,
  q5_0: 22 / 32,
  q4_1: 20 / 32,
  q4_0: 18 / 32,
  iq4_nl: 18 / 32,
};

/**
 * Bytes of KV cache per token of context: layers × KV heads × (key length × bytes of K + value length × bytes of V).
 * Source: llama.cpp's `llama_kv_cache` allocates one K and one V row of `n_embd_k_gqa`, `n_embd_v_gqa` elements per
 * layer and cell. An upper bound for models whose layers look at a window only.
 */
export const kvBytesPerToken = (
  model: Pick<GgufMetadata, 'kvHeadsTotal' | 'keyLength' | 'valueLength'>,
  typeK: KvCacheType,
  typeV: KvCacheType,
): number =>
  model.kvHeadsTotal * (model.keyLength * kvBytesPerElement[typeK] + model.valueLength * kvBytesPerElement[typeV]);
