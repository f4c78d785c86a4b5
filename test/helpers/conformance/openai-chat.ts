import OpenAI from 'openai';
import type { ChatCompletionMessageParam, ChatCompletionTool } from 'openai/resources/chat/completions';
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

const tools: ChatCompletionTool[] = [{ type: 'function', function: { name: 'get_weather', parameters: CITY_SCHEMA } }];
const user = (content: string): ChatCompletionMessageParam => ({ role: 'user', content });

/** OpenAI's library at `/v1/chat/completions`. */
export function openaiChat(connection: Connection): ConformanceClient {
  const { url, key } = connection;
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, fetch: fetchFor(connection) });
  const create = async (model: string, messages: ChatCompletionMessageParam[], more: object = {}) => {
    const { choices } = await client.chat.completions.create({ model, messages, stream: false, ...more });
    const message = choices[0]?.message;
    if (message === undefined) throw new Error('no choice came');
    return message;
  };
  return {
    list: async () => {
      const ids: string[] = [];
      for await (const { id } of client.models.list()) ids.push(id);
      return ids;
    },
    whole: async (model, text) => (await create(model, [user(text)])).content ?? '',
    stream: async (model, text, { onText, signal } = {}) => {
      const messages = [user(text)];
      const stream = await client.chat.completions.create({ model, messages, stream: true }, { signal });
      let said = '';
      for await (const { choices } of stream) {
        const piece = choices[0]?.delta.content;
        if (!piece) continue;
        said += piece;
        onText?.();
      }
      // The library ends an aborted stream without an error.
      signal?.throwIfAborted();
      return said;
    },
    call: async (model) => {
      const asked = [user(TOOL_QUESTION)];
      const message = await create(model, asked, { tools });
      const call = message.tool_calls?.[0];
      if (call?.type !== 'function') throw new Error('no function was called');
      return {
        name: call.function.name,
        input: JSON.parse(call.function.arguments),
        answer: async (content) => {
          const result = { role: 'tool', tool_call_id: call.id, content } as const;
          const next = await create(model, [...asked, message, result], { tools });
          const [again] = next.tool_calls ?? [];
          return again?.type === 'function' ? again.function.name : (next.content ?? '');
        },
      };
    },
    fit: async (model) => {
      const format = { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: ANSWER_SCHEMA } };
      const { content } = await create(model, [user('Are you sure?')], { response_format: format, max_tokens: 200 });
      return JSON.parse(content ?? '');
    },
    look: async (model) => {
      const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } } as const;
      const { content } = await create(model, [
        { role: 'user', content: [{ type: 'text', text: 'What is it?' }, image] },
      ]);
      return content ?? '';
    },
    embed: async (model, input) =>
      (await client.embeddings.create({ model, input })).data.map(({ embedding }) => embedding.length),
    failure: (thrown) => failureOf(thrown, ({ code, type }) => code ?? type),
  };
}
