import { hash, timingSafeEqual } from 'node:crypto';
import type { ClientPolicy } from '../core/client-policy.ts';
import { GatewayError } from '../core/errors.ts';
import type { Policy } from '../core/policy.ts';

/** Finds out who sends a request: undefined for an anonymous caller where no keys are configured. */
export type Authenticate = (authorization: string | undefined, apiKey: string | undefined) => ClientPolicy | undefined;

/**
 * Makes the check for one policy. Keys come from the environment variables that `clients[].key_env` names; a client
 * whose variable is not set cannot log in. Keys are compared as SHA-256 digests in constant time, all of them each
 * time, so that timing tells neither a key nor which client it belongs to. With no key set at all everyone is
 * anonymous where `allowAnonymous` (loopback, or the operator's word), and refused elsewhere. Throws `unauthorized`.
 */
export function createAuthenticate(
  policy: Policy,
  environment: NodeJS.ProcessEnv,
  { allowAnonymous }: { readonly allowAnonymous: boolean },
): Authenticate {
  const known = policy.clients.flatMap((client) => {
    const key = environment[client.keyEnv];
    return key === undefined || key === '' ? [] : [{ client, digest: sha256(key) }];
  });
  if (known.length === 0 && allowAnonymous) return () => undefined;
  return (authorization, apiKey) => {
    const given = apiKey ?? bearer(authorization);
    if (given === undefined) {
      throw new GatewayError('unauthorized', 'no API key given; send "authorization: Bearer KEY"');
    }
    const digest = sha256(given);
    let found: ClientPolicy | undefined;
    for (const entry of known) if (timingSafeEqual(entry.digest, digest)) found = entry.client;
    if (found === undefined) throw new GatewayError('unauthorized', 'the API key given is not known here');
    return found;
  };
}

/** True when at least one client can log in, so that everybody else can be refused. */
export function hasKeys(policy: Policy, environment: NodeJS.ProcessEnv): boolean {
  return clientsWithoutKey(policy, environment).length < policy.clients.length;
}

/** Clients of the policy whose key variable is not set; they cannot be used, which is worth a warning. */
export function clientsWithoutKey(policy: Policy, environment: NodeJS.ProcessEnv): readonly ClientPolicy[] {
  return policy.clients.filter(({ keyEnv }) => (environment[keyEnv] ?? '') === '');
}

const sha256 = (text: string): Buffer => hash('sha256', text, 'buffer');

function bearer(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const match = /^bearer +(\S+)$/i.exec(authorization);
  return match?.[1];
}
