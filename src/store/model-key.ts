import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import type { ModelPolicy, RuntimeSettings } from '../core/policy.ts';

/**
 * What measured figures belong to: this content of the file, started with these settings. When either changes the key
 * changes, and figures measured before no longer apply.
 *
 *   <16 hex digits of the file's identity>-<12 hex digits of the settings>
 *
 * The identity is no hash of the whole file (17 GB on an SD card take ten minutes) but of its size and of 16 samples
 * spread over it: another model, quantization or fine-tune differs in them. It depends on nothing but the content, so a
 * copy on another board has the same key, which is how imported results find their model.
 * The runtime's build is not part of it: an update seldom changes much, and the fingerprint of the run names the build.
 * Undefined when the file cannot be read: nothing can have been measured then.
 */
export function modelKey(model: ModelPolicy): string | undefined {
  const identity = fileIdentity(model.file);
  return identity === undefined ? undefined : `${identity}-${settingsKey(model.settings)}`;
}

/** 12 hex digits that differ whenever a launch setting does; files named in the settings count by their base name. */
export function settingsKey(settings: RuntimeSettings): string {
  const { chatTemplateFile, mmproj, ...rest } = settings;
  const named = {
    ...rest,
    ...(chatTemplateFile === undefined ? {} : { chatTemplateFile: basename(chatTemplateFile) }),
    ...(mmproj === undefined ? {} : { mmproj: basename(mmproj) }),
  };
  return createHash('sha256').update(canonical(named)).digest('hex').slice(0, 12);
}

const SAMPLES = 16;
const SAMPLE_BYTES = 4_096;

/** 16 hex digits over size and samples of a file, see {@link modelKey}; undefined when it cannot be read. */
export function fileIdentity(path: string): string | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const { size } = fstatSync(descriptor);
    const hash = createHash('sha256').update(`${size}\n`);
    const sample = Buffer.alloc(SAMPLE_BYTES);
    for (let index = 0; index < SAMPLES; index += 1) {
      // The first sample is the head (metadata), the last one the tail (weights).
      const offset = Math.floor((Math.max(0, size - SAMPLE_BYTES) * index) / (SAMPLES - 1));
      const bytes = readSync(descriptor, sample, 0, SAMPLE_BYTES, offset);
      hash.update(sample.subarray(0, bytes));
    }
    return hash.digest('hex').slice(0, 16);
  } catch {
    // Missing or unreadable: the supervisor reports it with the reason; here there is just no key.
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
}
