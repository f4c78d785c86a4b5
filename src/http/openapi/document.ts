import { z } from 'zod';
import type { Endpoint, Parameter } from './endpoint.ts';
import { ENDPOINTS } from './endpoints.ts';
import { ERROR_SCHEMAS } from './errors.ts';

/** An OpenAPI 3.1 document; the parts that the human page reads are typed. */
export type OpenApiDocument = {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly securitySchemes: Readonly<Record<string, unknown>>;
    readonly schemas: Readonly<Record<string, JsonSchema>>;
  };
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
};

/** One endpoint in the document. */
export type Operation = {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly OperationParameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
};

type OperationParameter = {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly description: string;
  readonly schema: JsonSchema;
};
type Content = Readonly<Record<string, { readonly schema: JsonSchema; readonly example?: unknown }>>;

/** A JSON schema, draft 2020-12, as OpenAPI 3.1 takes it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The document of everything that is served, made from the zod schemas of the endpoints. `version` is the gateway's.
 * Made anew each time: it is asked for by people and generators, not by clients at work.
 */
export function createDocument(version: string): OpenApiDocument {
  const paths: Record<string, Record<string, Operation>> = {};
  for (const endpoint of ENDPOINTS) {
    const operations = paths[endpoint.path] ?? {};
    operations[endpoint.method] = operationOf(endpoint);
    paths[endpoint.path] = operations;
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Sluice',
      version,
      description:
        'One endpoint in front of several local model runtimes, routed by what was measured. `model` may be `auto`, ' +
        '`auto:<class>` or the id, alias, friendly name or file name of a model. Unknown fields are passed on to the engine.',
    },
    tags: [...new Set(ENDPOINTS.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
      schemas: Object.fromEntries(
        Object.entries(ERROR_SCHEMAS).map(([name, { schema }]) => [schemaName(name), jsonSchema(schema, 'output')]),
      ),
    },
    // No key is asked for where the policy names no client and the gateway listens on this machine only.
    security: [{ bearer: [] }, { apiKey: [] }, {}],
  };
}

function operationOf(endpoint: Endpoint): Operation {
  const { method, path, tag, summary, description, parameters, isPublic } = endpoint;
  return {
    operationId: operationId(method, path),
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(parameters !== undefined && { parameters: parameters.map(encodeParameter) }),
    ...requestBody(endpoint),
    responses: responsesOf(endpoint),
    ...(isPublic === true && { security: [] }),
  };
}

function requestBody({ body, upload, example }: Endpoint): Pick<Operation, 'requestBody'> {
  if (body !== undefined) {
    const content = { schema: jsonSchema(body, 'input'), ...(example !== undefined && { example }) };
    return { requestBody: { required: true, content: { 'application/json': content } } };
  }
  if (upload === undefined) return {};
  return {
    requestBody: { required: true, content: { 'multipart/form-data': { schema: jsonSchema(upload, 'input') } } },
  };
}

function responsesOf({ answer, stream, errors }: Endpoint): Operation['responses'] {
  const content: Record<string, { schema: JsonSchema }> = {};
  if (answer.schema !== undefined) content['application/json'] = { schema: jsonSchema(answer.schema, 'output') };
  else if (answer.contentType !== 'none')
    content[answer.contentType ?? 'application/json'] = { schema: { type: 'string' } };
  if (stream !== undefined)
    content[stream.contentType] = { schema: { type: 'string', description: stream.description } };
  return {
    '200': { description: answer.description, ...(Object.keys(content).length > 0 && { content }) },
    default: {
      description: ERROR_SCHEMAS[errors].description,
      content: { 'application/json': { schema: { $ref: `#/components/schemas/${schemaName(errors)}` } } },
    },
  };
}

const encodeParameter = ({ name, in: place, description, schema }: Parameter): OperationParameter => ({
  name,
  in: place,
  required: place === 'path',
  description,
  schema: jsonSchema(schema, 'input'),
});

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  // What has no form in JSON (an upload's bytes) is described as anything.
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

const schemaName = (errors: string): string => `${errors[0]?.toUpperCase()}${errors.slice(1)}Error`;

/** `post /v1/chat/completions` → `postV1ChatCompletions`. */
function operationId(method: string, path: string): string {
  const words = path.match(/[a-zA-Z0-9]+/g) ?? [];
  return method + words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join('');
}
