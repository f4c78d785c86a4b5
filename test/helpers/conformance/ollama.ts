import { type Message, Ollama, type Tool } from 'ollama';
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

const tools: Tool[] = [{ type: 'function', function: { name: 'get_weather', parameters: CITY_SCHEMA } }];
const user = (content: string, images?: string[]): Message => ({ role: 'user', content, ...(images && { images }) });

/** Ollama's library at `/api/chat` and `/api/embed`. */
export function ollama(connection: Connection): ConformanceClient {
  const headers = { authorization: `Bearer ${connection.key}` };
  const client = new Ollama({ host: connection.url, headers, fetch: fetchFor(connection) });
  const chat = async (model: string, messages: Message[], more: object = {}) =>
    (await client.chat({ model, messages, stream: false, ...more })).message;
  return {
    list: async () => (await client.list()).models.map(({ name }) => name),
    whole: async (model, text) => (await chat(model, [user(text)])).content,
    stream: async (model, text, { onText, signal } = {}) => {
      const stream = await client.chat({ model, messages: [user(text)], stream: true });
      if (signal?.aborted) stream.abort();
      signal?.addEventListener('abort', () => stream.abort());
      let said = '';
      for await (const { message } of stream) {
        if (message.content === '') continue;
        said += message.content;
        onText?.();
      }
      return said;
    },
    call: async (model) => {
      const asked = [user(TOOL_QUESTION)];
      const message = await chat(model, asked, { tools });
      const [call] = message.tool_calls ?? [];
      if (call === undefined) throw new Error('no function was called');
      return {
        name: call.function.name,
        input: call.function.arguments,
        answer: async (content) => {
          const result: Message = { role: 'tool', tool_name: 'get_weather', content };
          const next = await chat(model, [...asked, message, result], { tools });
          return next.tool_calls?.[0]?.function.name ?? next.content;
        },
      };
    },
    fit: async (model) => {
      const options = { num_predict: 200 };
      return JSON.parse((await chat(model, [user('Are you sure?')], { format: ANSWER_SCHEMA, options })).content);
    },
    look: async (model) => (await chat(model, [user('What is it?', [PIXEL])])).content,
    embed: async (model, input) => (await client.embed({ model, input })).embeddings.map(({ length }) => length),
    failure: (thrown) => failureOf(thrown, () => undefined),
  };
}
