import type { ModelClass } from '../core/classes.ts';
import type { ClientPolicy } from '../core/client-policy.ts';
import type { Reason } from '../core/decision.ts';
import type { ModelId } from '../core/ids.ts';
import type { Policy } from '../core/policy.ts';

/** What a client must not ask for, in words fit for an error object. */
export type Forbidden = {
  readonly kind: 'invalid';
  readonly message: string;
  readonly param: string;
  readonly code: 'forbidden';
};

/** Undefined where the client may name the model, or names none. */
export function forbiddenModel(model: ModelId | undefined, client: ClientPolicy | undefined): Forbidden | undefined {
  if (model === undefined || client?.models === undefined || client.models.includes(model)) return undefined;
  const message = `model ${model} is not open to client ${client.name}; it may use ${client.models.join(', ')} (clients[].models)`;
  return { kind: 'invalid', message, param: 'model', code: 'forbidden' };
}

/**
 * The class a client gets: the one found where it is open to it. One that was asked for by name, or by naming a model that
 * serves no other, is refused where it is not; our own guess gives way to the client's default, else to the first class that
 * is open to it.
 */
export function classForClient(
  found: { readonly class: ModelClass; readonly isAsked: boolean },
  client: ClientPolicy | undefined,
  reasons: Reason[],
): ModelClass | Forbidden {
  const { class: wanted, isAsked } = found;
  const open = client?.classes;
  const [first] = open ?? [];
  if (client === undefined || open === undefined || first === undefined || open.includes(wanted)) return wanted;
  if (isAsked) {
    const message = `class ${wanted} is not open to client ${client.name}; it may use ${open.join(', ')} (clients[].classes)`;
    return { kind: 'invalid', message, param: 'model', code: 'forbidden' };
  }
  const given = client.class !== undefined && open.includes(client.class) ? client.class : first;
  reasons.push({ rule: 'client.classes', detail: `class ${wanted} is not open to client ${client.name}, so ${given}` });
  return given;
}

/** The client of a name that was kept; undefined for `anonymous` and for one the policy no longer has. */
export const clientNamed = (name: string, policy: Policy): ClientPolicy | undefined =>
  policy.clients.find((client) => client.name === name);
