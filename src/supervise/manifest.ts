import type { Capabilities } from '../core/policy.ts';
import type { CapabilitySources, ModelFacts } from '../core/profile.ts';
import type { RunningManifest } from '../core/runtime.ts';
import type { Entry } from './entry.ts';

/** What one model's child has told, and the facts made with it. */
type Told = {
  readonly signature: string;
  readonly manifest: RunningManifest;
  readonly guessed: ModelFacts;
  readonly facts: ModelFacts;
};

const told = new WeakMap<Entry, Told>();

/**
 * A model's facts as its file tells them, corrected by what its running child has said of itself. What a child said
 * holds after it was unloaded, until file or settings change: then it may be another model.
 * The same object as long as nothing changed.
 */
export function knownFacts(entry: Entry): ModelFacts | undefined {
  const guessed = entry.inspection.facts;
  if (guessed === undefined) return undefined;
  const known = told.get(entry);
  const manifest = entry.child.incarnation?.connection.manifest?.();
  if (manifest !== undefined && entry.startedSignature === entry.signature) {
    if (known?.manifest === manifest && known.guessed === guessed) return known.facts;
    return remember(entry, manifest, guessed);
  }
  if (known === undefined || known.signature !== entry.signature) return guessed;
  return known.guessed === guessed ? known.facts : remember(entry, known.manifest, guessed);
}

function remember(entry: Entry, manifest: RunningManifest, guessed: ModelFacts): ModelFacts {
  const facts = correctFacts(guessed, manifest, entry.model.capabilities);
  told.set(entry, { signature: entry.signature, manifest, guessed, facts });
  return facts;
}

/**
 * Facts with what a child says in place of what its file let guess. What the operator declared (`models.<id>.capabilities`)
 * stays: it may know of a proxy or a patch that the child does not.
 */
export function correctFacts(
  guessed: ModelFacts,
  manifest: RunningManifest,
  declared: Partial<Capabilities>,
): ModelFacts {
  const sources: { -readonly [Name in keyof Capabilities]?: string } = { ...guessed.capabilitySources };
  for (const name of Object.keys(manifest.capabilities)) {
    const capability = name as keyof Capabilities;
    if (declared[capability] === undefined) sources[capability] = manifest.source;
  }
  return {
    ...guessed,
    contextTokens: manifest.contextTokens ?? guessed.contextTokens,
    capabilities: { ...guessed.capabilities, ...manifest.capabilities, ...declared },
    capabilitySources: sources satisfies CapabilitySources,
  };
}
