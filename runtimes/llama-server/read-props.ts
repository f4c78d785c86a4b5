import type { Capabilities, RuntimeSettings } from '../../src/core/policy.ts';
import type { RunningManifest } from '../../src/core/runtime.ts';

type Props = {
  readonly default_generation_settings?: { readonly n_ctx?: unknown };
  readonly chat_template_caps?: { readonly supports_tools?: unknown };
  readonly modalities?: { readonly vision?: unknown; readonly audio?: unknown };
};

/** Where a manifest says it is from. */
export const PROPS_SOURCE = '/props of the running child';

/**
 * What `GET /props` tells of a running server; undefined where the answer holds nothing we know. Builds before the
 * template engine's rewrite have no `chat_template_caps`, older ones no `modalities`: then the guess from the file holds.
 */
export function readProps(body: unknown, settings: RuntimeSettings): RunningManifest | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { default_generation_settings: generation, chat_template_caps: caps, modalities } = body as Props;
  const capabilities: { -readonly [Name in keyof Capabilities]?: boolean } = {};
  // The template may take tools that a server without its template engine does not.
  if (typeof caps?.supports_tools === 'boolean') capabilities.tools = caps.supports_tools && settings.jinja !== false;
  if (typeof modalities?.vision === 'boolean') capabilities.vision = modalities.vision;
  if (typeof modalities?.audio === 'boolean') capabilities.audio = modalities.audio;
  const context = generation?.n_ctx;
  const known = typeof context === 'number' && context > 0 ? { contextTokens: context } : {};
  if (Object.keys(capabilities).length === 0 && known.contextTokens === undefined) return undefined;
  return { ...known, capabilities, source: PROPS_SOURCE };
}
