import type { Command } from 'commander';
import { GatewayError } from '../core/errors.ts';
import { loadPolicy } from '../policy/load.ts';
import { askGateway, type GatewayAddress } from './ask-gateway.ts';
import { parsePort } from './parse-port.ts';

/** Options of a command that talks to a running gateway. */
export type ClientOptions = {
  readonly policy: string;
  readonly host?: string;
  readonly port?: number;
  readonly json?: true;
};

/** Adds `--host`, `--port` and `--json` to a command. */
export function addClientOptions(command: Command): Command {
  return command
    .option('--host <address>', 'where the gateway listens (default: gateway.host of the policy)')
    .option('--port <number>', 'its port (default: gateway.port of the policy)', parsePort)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nA gateway that wants an API key gets the one in the environment variable SLUICE_KEY.');
}

/** Asks the gateway the options name. Throws `runtime_failed` with the remedy when none listens there. */
export async function askRunning(options: ClientOptions, path: string, body?: string): Promise<unknown> {
  const address = await addressOf(options);
  const answer = await askGateway(address, path, body);
  if (answer !== undefined) return answer;
  throw nobodyListens(address);
}

/** Where the gateway listens that the options name; the policy is read where they do not say it all. */
export async function addressOf({ policy, host, port }: ClientOptions): Promise<GatewayAddress> {
  const key = process.env['SLUICE_KEY'];
  if (host !== undefined && port !== undefined) return { url: `http://${host}:${port}`, key };
  const { gateway } = await loadPolicy(policy);
  return { url: `http://${host ?? gateway.host}:${port ?? gateway.port}`, key };
}

/** What to throw where no gateway listens. */
export const nobodyListens = ({ url }: GatewayAddress): GatewayError =>
  new GatewayError('runtime_failed', `no gateway listens on ${url}; start one with "sluice serve"`);
