import type { IncomingMessage } from 'node:http';
import { checkIn } from './check-in.ts';
import type { HttpParts } from './parts.ts';

/** Who asks, as files and batches are kept by: a client of the policy, or `anonymous`. Throws `unauthorized`. */
export const clientNameOf = (parts: HttpParts, incoming: IncomingMessage): string =>
  checkIn({ ...parts, isDraining: () => false }, incoming)?.name ?? 'anonymous';
