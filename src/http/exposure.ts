import { GatewayError } from '../core/errors.ts';
import type { Policy } from '../core/policy.ts';
import { hasKeys } from './authenticate.ts';

/** What of a gateway's options says who may reach it. */
export type Exposure = {
  /** In place of `gateway.host`. */
  readonly host?: string;
  /** Serve other machines without API keys. */
  readonly allowAnonymous: boolean;
  readonly environment: NodeJS.ProcessEnv;
};

/**
 * Without keys everybody who reaches the port may use the machine, so only this machine may reach it.
 * Throws `invalid_config` with the ways out.
 */
export function checkExposure(policy: Policy, options: Exposure): void {
  if (mayBeAnonymous(policy, options) || hasKeys(policy, options.environment)) return;
  const address = options.host ?? policy.gateway.host;
  const message = `will not listen on ${address} without API keys: set the environment variable of a client (clients[].key_env), listen on 127.0.0.1, or pass --allow-anonymous`;
  throw new GatewayError('invalid_config', message);
}

/** True where requests without a key are served: asked for, or only this machine can send any. */
export function mayBeAnonymous(policy: Policy, { host, allowAnonymous }: Exposure): boolean {
  const address = host ?? policy.gateway.host;
  return allowAnonymous || address === 'localhost' || address === '::1' || address.startsWith('127.');
}
