import type { ClientPolicy } from '../core/client-policy.ts';
import type { RequestFacts } from '../core/request.ts';
import type { HttpParts } from './parts.ts';

const CLASS_PREFIX = 'auto:';

/**
 * A request for embeddings that leaves the model open goes to the first one of the policy that computes any. Vectors of
 * two models cannot be compared, so such a client must always get the same one, whatever is loaded or fast at the time.
 * Among those that are open to the client. The facts as they are where none computes embeddings, and for every other request.
 */
export function pinEmbeddings(
  facts: RequestFacts,
  { policy, supervisor }: Pick<HttpParts, 'policy' | 'supervisor'>,
  client: ClientPolicy | undefined,
): RequestFacts {
  const { wants, model } = facts;
  if (wants !== 'embeddings' || !(model === 'auto' || model.startsWith(CLASS_PREFIX))) return facts;
  const views = supervisor.views();
  for (const { id, enabled, capabilities } of policy().models.values()) {
    if (!enabled || client?.models?.includes(id) === false) continue;
    if ((capabilities.embeddings ?? views.get(id)?.facts?.capabilities.embeddings) !== true) continue;
    const hint = model === 'auto' ? undefined : { value: model.slice(CLASS_PREFIX.length), source: 'model' };
    return { ...facts, model: id, classHint: hint ?? facts.classHint };
  }
  return facts;
}
