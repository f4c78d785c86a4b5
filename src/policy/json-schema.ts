import { z } from 'zod';
import { policySchema } from './schema.ts';

/**
 * JSON Schema (2020-12) of the policy file as an editor needs it: the texts people write, not what they are read
 * into. What a schema cannot say (names that must exist, names that must differ) only `policy check` tells.
 */
export function policyJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(policySchema, { io: 'input' });
  return { $schema, title: 'Sluice routing policy', ...schema };
}
