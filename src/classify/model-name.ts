import type { ModelId } from '../core/ids.ts';
import { friendlyName, normalizedName } from '../core/names.ts';
import type { ModelPolicy, Policy } from '../core/policy.ts';

/** A model found by a name, and how the name was understood. */
export type NameMatch = {
  readonly model: ModelId;
  readonly by: 'the id of' | 'an alias of' | 'the file of' | 'the friendly name of';
  /** Other models the same name fits, in the order of the policy; the first declared was taken. */
  readonly alsoFits: readonly ModelId[];
};

/** More names than this make an error message unreadable. */
const LISTED_MODELS_MAX = 40;

/** What Ollama's clients put behind a name that has no tag of its own. */
const TAG = ':latest';

const indexOfPolicy = new WeakMap<Policy, ReadonlyMap<string, NameMatch>>();

/**
 * Finds the model a client means: by id, alias, file name (with or without folder, extension and vendor prefix) or
 * friendly name, in this order, case ignored. Where several models share a friendly name (one model exported for three
 * context lengths) the first declared wins and the others are listed. A name that ends with `:latest` also stands for
 * what is before it. Undefined when nobody answers to the name.
 */
export function resolveModelName(name: string, policy: Policy): NameMatch | undefined {
  let index = indexOfPolicy.get(policy);
  if (index === undefined) {
    index = buildIndex(policy);
    indexOfPolicy.set(policy, index);
  }
  return lookUp(index, name) ?? (name.endsWith(TAG) ? lookUp(index, name.slice(0, -TAG.length)) : undefined);
}

const lookUp = (index: ReadonlyMap<string, NameMatch>, name: string): NameMatch | undefined =>
  index.get(name.toLowerCase()) ?? index.get(normalizedName(name));

/** The ids a client may ask for, for messages; `no model is declared` when there is none. */
export function describeKnownModels(policy: Policy): string {
  if (policy.models.size === 0) return '(no model is declared)';
  const ids = [...policy.models.keys()];
  const listed = ids.slice(0, LISTED_MODELS_MAX).join(', ');
  return ids.length > LISTED_MODELS_MAX ? `${listed} and ${ids.length - LISTED_MODELS_MAX} more` : listed;
}

function buildIndex(policy: Policy): ReadonlyMap<string, NameMatch> {
  const index = new Map<string, NameMatch>();
  const models = [...policy.models.values()];
  addNames(index, models, 'the id of', (model) => [model.id, normalizedName(model.id)]);
  addNames(index, models, 'an alias of', (model) => model.aliases.flatMap((alias) => [alias, normalizedName(alias)]));
  addNames(index, models, 'the file of', (model) => [normalizedName(model.file)]);
  addNames(index, models, 'the friendly name of', (model) => [friendlyName(model.file)]);
  return index;
}

// One pass per kind of name: a later, weaker kind never takes a name over, and only names of one kind are ambiguous.
function addNames(
  index: Map<string, NameMatch>,
  models: readonly ModelPolicy[],
  by: NameMatch['by'],
  namesOf: (model: ModelPolicy) => readonly string[],
): void {
  for (const model of models) {
    for (const name of new Set(namesOf(model).map((text) => text.toLowerCase()))) {
      const earlier = index.get(name);
      if (earlier === undefined) index.set(name, { model: model.id, by, alsoFits: [] });
      else if (earlier.by === by && earlier.model !== model.id) {
        index.set(name, { ...earlier, alsoFits: [...earlier.alsoFits, model.id] });
      }
    }
  }
}
