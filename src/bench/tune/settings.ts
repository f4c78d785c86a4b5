import { z } from 'zod';
import { formatCpuList } from '../../core/format.ts';
import type { RuntimeSettings } from '../../core/policy.ts';

/** Launch settings that a search may change, as they are kept with a run. */
export const tuneSettingsSchema = z.object({
  cpus: z.array(z.number()).readonly().optional(),
  threads: z.number().optional(),
  flashAttention: z.enum(['on', 'off', 'auto']).optional(),
  cacheTypeK: z.string().optional(),
  cacheTypeV: z.string().optional(),
  batch: z.number().optional(),
  ubatch: z.number().optional(),
  loadMode: z.enum(['mmap', 'none', 'mlock']).optional(),
  cpuMask: z.number().optional(),
  embedFlash: z.boolean().optional(),
  context: z.number().optional(),
});

/** See {@link tuneSettingsSchema}. */
export type TuneSettings = Readonly<z.infer<typeof tuneSettingsSchema>>;

/** What is searched, one after the other. */
export const AXES = [
  'affinity',
  'threads',
  'flash-attention',
  'kv',
  'batch',
  'load-mode',
  'embed-flash',
  'context',
] as const;
/** One of {@link AXES}. */
export type AxisName = (typeof AXES)[number];

/** The key of a setting in the policy file. */
export const SETTING_KEYS: Readonly<Record<keyof TuneSettings, string>> = {
  cpus: 'cpus',
  threads: 'threads',
  flashAttention: 'flash_attention',
  cacheTypeK: 'cache_type_k',
  cacheTypeV: 'cache_type_v',
  batch: 'batch',
  ubatch: 'ubatch',
  loadMode: 'load_mode',
  cpuMask: 'cpu_mask',
  embedFlash: 'embed_flash',
  context: 'context',
};

/** What llama-server does where the policy leaves a setting out (its own defaults). */
const LLAMA_DEFAULTS: TuneSettings = {
  flashAttention: 'auto',
  cacheTypeK: 'f16',
  cacheTypeV: 'f16',
  batch: 2_048,
  ubatch: 512,
  loadMode: 'mmap',
};

/** The settings a model runs with now, those a search may change, the program's own defaults included. */
export function settingsInForce(settings: RuntimeSettings, kind: string): TuneSettings {
  const keys = Object.keys(SETTING_KEYS) as (keyof TuneSettings)[];
  const given = Object.fromEntries(keys.flatMap((key) => (settings[key] === undefined ? [] : [[key, settings[key]]])));
  return { ...(kind === 'llama-server' ? LLAMA_DEFAULTS : {}), ...given };
}

/** Settings as they stand in a policy file: `{ cpus: '0-7', threads: 6, flash_attention: 'on' }`. */
export function writtenSettings(settings: TuneSettings): Readonly<Record<string, string | number | boolean>> {
  const { cpus, ...rest } = settings;
  const named = (Object.entries(rest) as [keyof TuneSettings, string | number | boolean | undefined][]).flatMap(
    ([key, value]) => (value === undefined ? [] : [[SETTING_KEYS[key], value] as const]),
  );
  return { ...(cpus === undefined ? {} : { cpus: formatCpuList(cpus) }), ...Object.fromEntries(named) };
}

/** Types of the KV cache, `q8_0/f16` for keys and values; undefined where a kind has no such setting. */
export const cacheTypesOf = ({ cacheTypeK, cacheTypeV }: TuneSettings): string | undefined =>
  cacheTypeK === undefined && cacheTypeV === undefined ? undefined : `${cacheTypeK ?? 'f16'}/${cacheTypeV ?? 'f16'}`;

const WHOLE_TYPES: ReadonlySet<string> = new Set(['f16', 'bf16', 'f32']);

/** True where the KV cache keeps fewer than 16 bits per value, which may cost quality. */
export const hasQuantizedCache = ({ cacheTypeK = 'f16', cacheTypeV = 'f16' }: TuneSettings): boolean =>
  !WHOLE_TYPES.has(cacheTypeK) || !WHOLE_TYPES.has(cacheTypeV);

/** True where values are kept in fewer than 16 bits, which llama.cpp can only do with flash attention. */
export const hasQuantizedValues = ({ cacheTypeV = 'f16' }: TuneSettings): boolean => !WHOLE_TYPES.has(cacheTypeV);

/** One axis of settings for people: `CPUs 0-7`, `6 threads`, `fa on`, `kv f16/f16`, `batch 64`, `mmap`. */
export function describeAxis(axis: AxisName, settings: TuneSettings): string {
  switch (axis) {
    case 'affinity':
      if (settings.cpuMask !== undefined) return `mask 0x${settings.cpuMask.toString(16)}`;
      return settings.cpus === undefined ? 'all CPUs' : `CPUs ${formatCpuList(settings.cpus)}`;
    case 'threads':
      return settings.threads === undefined
        ? 'default threads'
        : `${settings.threads} thread${settings.threads === 1 ? '' : 's'}`;
    case 'flash-attention':
      return `fa ${settings.flashAttention ?? 'auto'}`;
    case 'kv':
      return `kv ${cacheTypesOf(settings) ?? 'f16/f16'}`;
    case 'batch': {
      const { batch, ubatch } = settings;
      return batch === ubatch ? `batch ${batch}` : `batch ${batch}/${ubatch}`;
    }
    case 'load-mode':
      return settings.loadMode ?? 'mmap';
    case 'embed-flash':
      return `embed flash ${settings.embedFlash === true ? 'on' : 'off'}`;
    case 'context':
      return settings.context === undefined ? 'default context' : `context ${settings.context}`;
  }
}
