import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { expect } from 'vitest';

const file = join(import.meta.dirname, '..', 'fixtures', 'openai', 'schemas.json');
const { components } = JSON.parse(readFileSync(file, 'utf8')) as { components: object };
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
ajv.addSchema({ $id: 'openai', components });

/** Expects a value to be what OpenAI's own API description says; `schema` is one of `test/fixtures/openai/schemas.json`. */
export function expectSchema(schema: string, value: unknown): void {
  const validate = ajv.compile({ $ref: `openai#/components/schemas/${schema}` });
  const fits = validate(value);
  expect(fits ? [] : validate.errors).toEqual([]);
}
