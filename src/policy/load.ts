import { type FileHandle, open } from 'node:fs/promises';
import { GatewayError, messageOf } from '../core/errors.ts';
import { formatBytes } from '../core/format.ts';
import type { Policy } from '../core/policy.ts';
import { POLICY_BYTES_MAX, parsePolicy } from './parse.ts';

/**
 * Reads and checks a policy file. Throws `invalid_config` when it cannot be read, is not UTF-8 or is larger than
 * {@link POLICY_BYTES_MAX}, and with one line per problem when its content is wrong.
 */
export async function loadPolicy(file: string): Promise<Policy> {
  return (await readPolicy(file)).policy;
}

/** A policy with the text it was read from. */
export type PolicyWithText = { readonly policy: Policy; readonly text: string };

/** {@link loadPolicy} that keeps the text. */
export async function readPolicy(file: string): Promise<PolicyWithText> {
  const text = await readPolicyText(file);
  return { policy: parsePolicy(text, file), text };
}

/** The text of a policy file; errors as of {@link loadPolicy}. */
export async function readPolicyText(file: string): Promise<string> {
  const bytes = await readBytes(file);
  if (bytes.byteLength > POLICY_BYTES_MAX) {
    throw new GatewayError(
      'invalid_config',
      `${file}:1:1 the file has more than ${formatBytes(POLICY_BYTES_MAX)}; is it a policy?`,
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new GatewayError('invalid_config', `${file}:1:1 the file is not UTF-8 text; save it as UTF-8`, { cause });
  }
}

/** At most one byte above the limit, so that a wrong path (a model file, /dev/zero) does not fill the memory. */
async function readBytes(file: string): Promise<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    const buffer = Buffer.alloc(POLICY_BYTES_MAX + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
      length += bytesRead;
      if (bytesRead === 0 || length === buffer.length) return buffer.subarray(0, length);
    }
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const remedy = missing
      ? 'no such file; give one with --policy FILE, or have "sluice init --models FOLDER" write one'
      : messageOf(cause);
    throw new GatewayError('invalid_config', `cannot read the policy ${file}: ${remedy}`, { cause });
  } finally {
    await handle?.close();
  }
}
