/**
 * A file or model name reduced to what people call it: folder, extension, vendor prefix and case dropped, so
 * `models/Qwen_Qwen3.5-27B-Q4_K_M.gguf` and `Qwen3.5-27B-Q4_K_M` compare equal as `qwen3.5-27b-q4_k_m`.
 */
export function normalizedName(text: string): string {
  const base = text.slice(text.lastIndexOf('/') + 1).toLowerCase();
  const stem = base.replace(/\.(gguf|rkllm)$/, '');
  return stem.replace(/^([a-z]+)_(?=\1)/, '');
}

/**
 * The short name a long file name answers to: build suffixes dropped.
 * `Qwen_Qwen3-0.6B-w8a8-opt0-hybrid0-npu3-ctx16384-rk3588.rkllm` → `qwen3-0.6b`.
 */
export function friendlyName(text: string): string {
  return normalizedName(text).replace(
    /[-_.](?=(w\d+a\d+|q\d|iq\d|f16|f32|bf16|opt\d|hybrid|npu\d|ctx\d|rk3\d{3}|rv1126b|g\d{2,3}\b)).*$/,
    '',
  );
}

/** Billions of parameters as the name says: `Qwen3.5-4B` → 4, `gemma3-270m` → 0.27. Undefined when it does not. */
export function parametersFromName(text: string): number | undefined {
  const match = /(?:^|[-_])(\d+(?:\.\d+)?)([bm])(?=[-_.]|$)/.exec(normalizedName(text));
  if (match === null) return undefined;
  const size = Number(match[1]);
  return match[2] === 'b' ? size : size / 1000;
}

/**
 * The family a model belongs to: its short name without the size and what follows it, so that
 * `Qwen_Qwen3.5-27B-Q4_K_M.gguf` → `qwen3.5`. A name without a size is a family of its own.
 */
export function familyName(text: string): string {
  return friendlyName(text).replace(/(?<=.)[-_]\d+(?:\.\d+)?[bm](?=[-_.]|$).*$/, '');
}
