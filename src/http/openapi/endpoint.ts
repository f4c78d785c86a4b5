import type { z } from 'zod';

/** One endpoint as the OpenAPI document describes it. */
export type Endpoint = {
  readonly method: 'get' | 'head' | 'post' | 'delete';
  /** As OpenAPI writes it: `/v1/models/{id}`. */
  readonly path: string;
  readonly tag: string;
  /** One line. */
  readonly summary: string;
  /** What the summary leaves out, for people. */
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  /** JSON body of the request; absent = none. */
  readonly body?: z.ZodType;
  /** A small body that is answered; the document shows it, and a test sends it. */
  readonly example?: unknown;
  /** Name and form of an upload in place of a JSON body. */
  readonly upload?: z.ZodType;
  readonly answer: Answer;
  /** What else it may answer with 200, and when: a stream. */
  readonly stream?: { readonly contentType: string; readonly description: string };
  /** The language its errors are written in. */
  readonly errors: 'openai' | 'ollama' | 'anthropic';
  /** True where no key is asked for. */
  readonly isPublic?: boolean;
};

/** A parameter in path, query or header. */
export type Parameter = {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly schema: z.ZodType;
};

/** What a request that succeeds is answered with. */
export type Answer = {
  readonly description: string;
  /** JSON answer; absent where it is something else. */
  readonly schema?: z.ZodType;
  /** Content type where it is not JSON; `none` = no body. */
  readonly contentType?: string;
};
