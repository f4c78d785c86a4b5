import OpenAI from 'openai';
import type { FunctionTool, ResponseInputItem } from 'openai/resources/responses/responses';
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

const tools: FunctionTool[] = [{ type: 'function', name: 'get_weather', parameters: CITY_SCHEMA, strict: false }];

/** OpenAI's library at `/v1/responses`. */
export function openaiResponses(connection: Connection): ConformanceClient {
  const { url, key } = connection;
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, fetch: fetchFor(connection) });
  const create = (model: string, input: string | ResponseInputItem[], more: object = {}) =>
    client.responses.create({ model, input, stream: false, ...more });
  return {
    whole: async (model, text) => (await create(model, text)).output_text,
    stream: async (model, text, { onText, signal } = {}) => {
      const stream = await client.responses.create({ model, input: text, stream: true }, { signal });
      let said = '';
      for await (const event of stream) {
        if (event.type !== 'response.output_text.delta') continue;
        said += event.delta;
        onText?.();
      }
      signal?.throwIfAborted();
      return said;
    },
    call: async (model) => {
      const asked: ResponseInputItem[] = [{ role: 'user', content: TOOL_QUESTION }];
      const { output } = await create(model, asked, { tools });
      const call = output.find(({ type }) => type === 'function_call');
      if (call?.type !== 'function_call') throw new Error('no function was called');
      return {
        name: call.name,
        input: JSON.parse(call.arguments),
        answer: async (result) => {
          const told: ResponseInputItem = { type: 'function_call_output', call_id: call.call_id, output: result };
          const next = await create(model, [...asked, call, told], { tools });
          const again = next.output.find(({ type }) => type === 'function_call');
          return again?.type === 'function_call' ? again.name : next.output_text;
        },
      };
    },
    fit: async (model) => {
      const format = { type: 'json_schema', name: 'answer', strict: true, schema: ANSWER_SCHEMA };
      return JSON.parse((await create(model, 'Are you sure?', { text: { format } })).output_text);
    },
    look: async (model) => {
      const image = { type: 'input_image', detail: 'auto', image_url: `data:image/png;base64,${PIXEL}` } as const;
      return (await create(model, [{ role: 'user', content: [image] }])).output_text;
    },
    failure: (thrown) => failureOf(thrown, ({ code, type }) => code ?? type),
  };
}
