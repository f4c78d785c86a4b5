/** Words of an answer as they come, and a way to leave. */
export type Watch = {
  /** Called with every piece of text. */
  readonly onText?: () => void;
  readonly signal?: AbortSignal;
};

/** What a client makes of a refusal: `code` is its language's own word for it, absent where it has none. */
export type Failure = {
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly message: string;
};

/** A tool that a model has called. */
export type ToolCall = {
  readonly name: string;
  readonly input: unknown;
  /** Sends the tool's result and resolves with what the model says to it, its text or the name of the next tool. */
  readonly answer: (result: string) => Promise<string>;
};

/**
 * One client library as the conformance suite uses it: the same few things, each in the library's own way. Whatever a
 * library has no words for is absent; the grid says why.
 */
export interface ConformanceClient {
  list?(): Promise<readonly string[]>;
  /** A whole answer's text. */
  whole?(model: string, text: string): Promise<string>;
  /** A streamed answer's text. Rejects where the stream ends with an error or was left. */
  stream(model: string, text: string, watch?: Watch): Promise<string>;
  /** Offers `get_weather(city)`; rejects where it was not called. */
  call?(model: string): Promise<ToolCall>;
  /** Asks for an object that fits {@link ANSWER_SCHEMA}; resolves with it, parsed. */
  fit?(model: string): Promise<unknown>;
  /** Asks what a picture shows. */
  look?(model: string): Promise<string>;
  /** Lengths of the vectors of some texts. */
  embed?(model: string, texts: string[]): Promise<readonly number[]>;
  /** Reads what the library threw. */
  failure(thrown: unknown): Failure;
  close?(): Promise<void>;
}

/** Where a client finds the gateway; `damage` changes the bodies it sends. */
export type Connection = { readonly url: string; readonly key: string; readonly damage?: (body: string) => string };

/** The schema that answers are held to. */
export const ANSWER_SCHEMA = {
  type: 'object' as const,
  properties: { answer: { type: 'string' as const, enum: ['yes', 'no'] }, sure: { type: 'boolean' as const } },
  required: ['answer', 'sure'],
  additionalProperties: false as const,
};

/** The parameters of `get_weather`. */
export const CITY_SCHEMA = {
  type: 'object' as const,
  properties: { city: { type: 'string' as const } },
  required: ['city'],
};

/** What asks for the tool. */
export const TOOL_QUESTION = 'What is the weather in Berlin?';

/** A PNG of one pixel, base64. */
export const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** `fetch` as the libraries take it, with bodies damaged where the connection says so. */
export const fetchFor =
  ({ damage }: Connection): typeof fetch =>
  (input, init) =>
    fetch(input, damage && typeof init?.body === 'string' ? { ...init, body: damage(init.body) } : init);

/** Reads an error with these fields, where it has them. */
export function failureOf(thrown: unknown, codeOf: (error: Record<string, unknown>) => unknown): Failure {
  if (!(thrown instanceof Error)) throw new Error(`no error was thrown but ${JSON.stringify(thrown)}`);
  const error = thrown as Error & Record<string, unknown>;
  const status = error['status'] ?? error['status_code'] ?? error['statusCode'];
  const code = codeOf(error);
  return {
    status: typeof status === 'number' ? status : undefined,
    code: typeof code === 'string' ? code : undefined,
    message: error.message,
  };
}
