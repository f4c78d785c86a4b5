import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { expect } from 'vitest';

const folder = join(import.meta.dirname, '..', 'fixtures', 'openai');
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
for (const [id, file] of [
  ['openai', 'schemas.json'],
  ['batches', 'batch-schemas.json'],
] as const) {
  const { components } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { components: object };
  ajv.addSchema({ $id: id, components });
}

/** Expects a value to be what OpenAI's own API description says; `schema` is one of `test/fixtures/openai/schemas.json`. */
export function expectSchema(schema: string, value: unknown): void {
  const validate = ajv.compile({ $ref: `openai#/components/schemas/${schema}` });
  const fits = validate(value);
  expect(fits ? [] : validate.errors).toEqual([]);
}

/** The same for files and batches, of `test/fixtures/openai/batch-schemas.json`. */
export function expectBatchSchema(schema: string, value: unknown): void {
  const validate = ajv.compile({ $ref: `batches#/components/schemas/${schema}` });
  const fits = validate(value);
  expect(fits ? [] : validate.errors).toEqual([]);
}
