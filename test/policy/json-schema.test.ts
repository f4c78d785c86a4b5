import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { policyJsonSchema } from '../../src/policy/json-schema.ts';

type Schema = {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly description?: string;
};

/** Every key of every closed map in the schema, with its path and its schema. */
function keysOf(schema: Schema, path: string): { key: string; path: string; schema: Schema }[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, child]) => [
    { key, path: `${path}.${key}`, schema: child },
    ...keysOf(child, `${path}.${key}`),
  ]);
  const rest = typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : [];
  const others = [...rest, ...(schema.items ? [schema.items] : []), ...(schema.anyOf ?? [])];
  return [...own, ...others.flatMap((child) => keysOf(child, `${path}[]`))];
}

const keys = keysOf(policyJsonSchema() as Schema, '');

describe('policyJsonSchema', () => {
  it('is what routing-policy.schema.json holds (write it with: sluice policy schema)', async () => {
    const shipped = await readFile('routing-policy.schema.json', 'utf8');
    expect(shipped).toBe(`${JSON.stringify(policyJsonSchema(), null, 2)}\n`);
  });

  it('describes every key', () => {
    expect(keys.length).toBeGreaterThan(150);
    expect(keys.filter(({ schema }) => schema.description === undefined).map(({ path }) => path)).toEqual([]);
  });

  it('asks for texts with units, not for what they are read into', () => {
    expect(keys.find(({ path }) => path === '.gateway.heartbeat')?.schema).toMatchObject({ type: 'string' });
    expect(keys.find(({ path }) => path === '.models[].settings.cache_ram')?.schema).toMatchObject({ type: 'string' });
  });

  it('accepts the shipped file as an editor reads it, and refuses a wrong key or a missing unit', async () => {
    const editor = z.fromJSONSchema(policyJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
    const shipped = parse(await readFile('routing-policy.yaml', 'utf8'));
    expect(editor.safeParse(shipped).success).toBe(true);
    expect(editor.safeParse({ ...shipped, gatway: {} }).success).toBe(false);
    expect(editor.safeParse({ ...shipped, gateway: { heartbeat: 15 } }).success).toBe(false);
  });

  it('has no key that docs/policy.md does not explain', async () => {
    const docs = await readFile('docs/policy.md', 'utf8');
    const missing = keys.filter(({ key }) => !docs.includes(`\`${key}\``)).map(({ path }) => path);
    expect(missing).toEqual([]);
  });
});
