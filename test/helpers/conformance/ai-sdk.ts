import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, embedMany, generateText, jsonSchema, Output, streamText, tool } from 'ai';
import {
  ANSWER_SCHEMA,
  CITY_SCHEMA,
  type ConformanceClient,
  type Connection,
  failureOf,
  fetchFor,
  PIXEL,
  TOOL_QUESTION,
} from './client.ts';

// Without `execute`: the call is ours to answer.
const tools = { get_weather: tool({ inputSchema: jsonSchema<{ city: string }>(CITY_SCHEMA) }) };

/** Vercel's AI SDK with its provider for whatever is like OpenAI. */
export function aiSdk(connection: Connection): ConformanceClient {
  const provider = createOpenAICompatible({
    name: 'sluice',
    baseURL: `${connection.url}/v1`,
    apiKey: connection.key,
    supportsStructuredOutputs: true,
    fetch: fetchFor(connection),
  });
  const once = { maxRetries: 0 };
  return {
    whole: async (model, prompt) => (await generateText({ ...once, model: provider(model), prompt })).text,
    stream: async (model, prompt, { onText, signal } = {}) => {
      const quiet = { onError: () => undefined };
      const { fullStream } = streamText({ ...once, ...quiet, model: provider(model), prompt, abortSignal: signal });
      let said = '';
      for await (const part of fullStream) {
        if (part.type === 'error') throw part.error instanceof Error ? part.error : asError(part.error);
        if (part.type !== 'text-delta') continue;
        said += part.text;
        onText?.();
      }
      // The library ends an aborted stream without an error.
      signal?.throwIfAborted();
      return said;
    },
    call: async (model) => {
      const asked = { role: 'user', content: TOOL_QUESTION } as const;
      const first = await generateText({ ...once, model: provider(model), messages: [asked], tools });
      const [call] = first.toolCalls;
      if (call === undefined) throw new Error('no tool was called');
      const { toolCallId, toolName } = call;
      return {
        name: toolName,
        input: call.input,
        answer: async (value) => {
          const output = { type: 'text', value } as const;
          const result = { role: 'tool', content: [{ type: 'tool-result', toolCallId, toolName, output }] } as const;
          const messages = [asked, ...first.response.messages, { ...result, content: [...result.content] }];
          const next = await generateText({ ...once, model: provider(model), messages, tools });
          return next.toolCalls[0]?.toolName ?? next.text;
        },
      };
    },
    fit: async (model) => {
      const schema = jsonSchema(ANSWER_SCHEMA);
      const prompt = 'Are you sure?';
      return (await generateText({ ...once, model: provider(model), prompt, output: Output.object({ schema }) }))
        .output;
    },
    look: async (model) => {
      const image = { type: 'image', image: PIXEL, mediaType: 'image/png' } as const;
      const messages = [{ role: 'user' as const, content: [image] }];
      return (await generateText({ ...once, model: provider(model), messages })).text;
    },
    embed: async (model, values) => {
      const { embeddings } = await embedMany({ ...once, model: provider.embeddingModel(model), values });
      return embeddings.map(({ length }) => length);
    },
    failure: (thrown) =>
      failureOf(thrown, ({ code }) => (APICallError.isInstance(thrown) ? codeOf(thrown.data) : code)),
  };
}

/** A stream's error part holds what the gateway sent, with or without its envelope. */
function asError(sent: unknown): Error {
  const error = ((sent as { error?: object } | undefined)?.error ?? sent) as { message?: string };
  return Object.assign(new Error(error.message ?? JSON.stringify(sent)), error);
}

function codeOf(body: unknown): unknown {
  const { error } = (body ?? {}) as { readonly error?: { readonly code?: string | null; readonly type?: string } };
  return error?.code ?? error?.type;
}
