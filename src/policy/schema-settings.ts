import { z } from 'zod';
import { closedMap, cpuList, environment, identifier, size, text, words } from './schema-values.ts';

/** Types llama.cpp keeps keys and values of the KV cache in. */
export const CACHE_TYPES = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_1', 'iq4_nl', 'q5_0', 'q5_1'] as const;

const cacheType = () => z.enum(CACHE_TYPES);
const count = () => z.int().min(1).max(1_000_000);

/**
 * Launch settings of a runtime or a model. No defaults: what is absent is not passed to the program, and which
 * settings a program understands is its adapter's business.
 */
export const settingsSchema = closedMap({
  cpus: cpuList().optional().describe('CPUs the child may run on, e.g. 0-7 (taskset -c).'),
  threads: count().optional().describe('Threads that decode (-t).'),
  threads_batch: count().optional().describe('Threads that read prompts (-tb); absent: same as threads.'),
  context: count().optional().describe('Context length in tokens, prompt and output together (-c).'),
  parallel: count().optional().describe('Generations at a time in one child (--parallel).'),
  batch: count().optional().describe('Logical batch in tokens (-b).'),
  ubatch: count()
    .optional()
    .describe('Physical batch in tokens (-ub). A cancel takes effect after one of these: small keeps the lane quick.'),
  jinja: z.boolean().optional().describe("Use the model's own chat template, which tools need (--jinja)."),
  reasoning_budget: z
    .int()
    .min(-1)
    .optional()
    .describe('Tokens a model may think: 0 none, -1 without limit (--reasoning-budget).'),
  cache_type_k: cacheType().optional().describe('Type of the keys in the KV cache (-ctk).'),
  cache_type_v: cacheType().optional().describe('Type of the values in the KV cache (-ctv).'),
  flash_attention: z
    .union([z.enum(['on', 'off', 'auto']), z.boolean()], { error: 'expected on, off or auto' })
    .transform((value) => (typeof value === 'boolean' ? (value ? 'on' : 'off') : value))
    .optional()
    .describe('Flash attention (-fa): on, off or auto; true and false are read as on and off.'),
  cache_ram: size().optional().describe("Cap of the prompt cache in RAM (--cache-ram); the program's own is 8 GiB."),
  gpu_layers: z.int().min(0).optional().describe('Layers given to the GPU (-ngl).'),
  load_mode: z
    .enum(['mmap', 'none', 'mlock'])
    .optional()
    .describe('How weights are read: mapped, copied, or locked in memory (-lm).'),
  context_checkpoints: z.int().min(0).optional().describe('Most context checkpoints per slot (--ctx-checkpoints).'),
  checkpoint_min_step: z
    .int()
    .min(0)
    .optional()
    .describe(
      'Tokens between context checkpoints (--checkpoint-min-step); hybrid models reuse a prefix only from one.',
    ),
  chat_template_file: text().optional().describe('Chat template to use in place of the one in the model file.'),
  mmproj: text().optional().describe('Vision projector file (--mmproj); makes the model accept images.'),
  priority: z
    .int()
    .min(-1)
    .max(3)
    .optional()
    .describe('Scheduling priority: -1 low, 0 normal, 1 medium, 2 high, 3 realtime (--prio).'),
  extra_args: words().optional().describe('Passed to the program unchanged, after ours.'),
  environment: environment().optional().describe('Environment added for the child.'),
  cpu_mask: z.int().min(1).optional().describe('RKLLM: bit mask of CPUs, e.g. 0xF0 for the big cores of an RK3588.'),
  embed_flash: z.boolean().optional().describe('RKLLM: keep the embedding table in storage, which saves memory.'),
  base_domain_id: z.int().min(0).optional().describe('RKLLM: memory domain of the NPU.'),
  abi: z
    .enum(['1.2', '1.3'])
    .optional()
    .describe('RKLLM: binary interface of a library whose version is not known; a wrong word here crashes the child.'),
  template: text()
    .optional()
    .describe("RKLLM: chat template: qwen3, gemma3, …, a file, or runtime (the library's own); absent: the model's."),
  lora: z
    .record(identifier(), text())
    .optional()
    .describe('RKLLM: LoRA adapter files by the name that requests ask for (field lora).'),
  prompt_cache: size().optional().describe('RKLLM: disk for saved system prompts; absent: none are saved.'),
  embeddings: z
    .boolean()
    .optional()
    .describe('The model computes embeddings (--embeddings) and is not asked for anything else.'),
  pooling: z
    .enum(['mean', 'cls', 'last'])
    .optional()
    .describe("How tokens' vectors become one of the text (--pooling); absent: as the model was made."),
  rerank: z
    .boolean()
    .optional()
    .describe('The model scores documents (--reranking; RKLLM: by the odds of yes and no), nothing else.'),
});

/** Settings as they leave the schema: units read, keys as in the file. */
export type ParsedSettings = z.output<typeof settingsSchema>;

const number = () => z.number().optional();

/** Sampling defaults sent with a request that does not set them itself. */
export const samplingSchema = closedMap({
  temperature: z.number().min(0).max(5).optional().describe('0 takes the likeliest token always.'),
  top_k: z.int().min(0).optional().describe('Only the K likeliest tokens; 0 switches it off.'),
  top_p: z.number().min(0).max(1).optional().describe('Only the likeliest tokens that make up this share.'),
  min_p: z.number().min(0).max(1).optional().describe("Only tokens with this share of the likeliest one's chance."),
  typical_p: z.number().min(0).max(1).optional().describe('Locally typical sampling; 1 switches it off.'),
  top_n_sigma: number().describe('Only tokens within this many standard deviations of the best logit; -1 is off.'),
  repeat_penalty: number().describe('Penalty on repeated tokens; 1 switches it off.'),
  repeat_last_n: z.int().min(-1).optional().describe('Tokens looked back at for penalties; -1 is the whole context.'),
  presence_penalty: z.number().min(-2).max(2).optional().describe('Penalty on tokens that have appeared.'),
  frequency_penalty: z.number().min(-2).max(2).optional().describe('Penalty by how often a token has appeared.'),
  dynatemp_range: number().describe('Temperature varies by this much with the entropy; 0 is off.'),
  dynatemp_exponent: number().describe('Exponent of the varying temperature.'),
  xtc_probability: z.number().min(0).max(1).optional().describe('Chance to remove the likeliest tokens; 0 is off.'),
  xtc_threshold: z.number().min(0).max(1).optional().describe('Tokens above this chance may be removed.'),
  dry_multiplier: number().describe('Strength of the penalty on repeated sequences; 0 is off.'),
  dry_base: number().describe('Base of that penalty.'),
  dry_allowed_length: z.int().min(0).optional().describe('Length of a repetition that goes unpunished.'),
  dry_penalty_last_n: z.int().min(-1).optional().describe('Tokens looked back at for repetitions.'),
  mirostat: z.int().min(0).max(2).optional().describe('Mirostat version; 0 is off.'),
  mirostat_tau: number().describe('Mirostat target entropy.'),
  mirostat_eta: number().describe('Mirostat learning rate.'),
  seed: z.int().min(-1).optional().describe('Seed of the sampler; -1 draws one.'),
});
