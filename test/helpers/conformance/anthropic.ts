import Anthropic, { APIError } from '@anthropic-ai/sdk';
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

const tools: Anthropic.Tool[] = [{ name: 'get_weather', input_schema: CITY_SCHEMA }];
const user = (content: Anthropic.MessageParam['content']): Anthropic.MessageParam => ({ role: 'user', content });
/** More than any context here; the language wants a bound. */
const TOKENS_MAX = 8192;

const textOf = ({ content }: Anthropic.Message): string =>
  content.map((block) => (block.type === 'text' ? block.text : '')).join('');
const callIn = ({ content }: Anthropic.Message) => {
  const call = content.find(({ type }) => type === 'tool_use');
  return call?.type === 'tool_use' ? call : undefined;
};

/** Anthropic's library at `/v1/messages`. */
export function anthropic(connection: Connection): ConformanceClient {
  const { url, key } = connection;
  const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0, fetch: fetchFor(connection) });
  const create = (model: string, messages: Anthropic.MessageParam[], more: object = {}) =>
    client.messages.create({ model, messages, max_tokens: TOKENS_MAX, stream: false, ...more });
  return {
    list: async () => {
      const ids: string[] = [];
      for await (const { id } of client.models.list()) ids.push(id);
      return ids;
    },
    whole: async (model, text) => textOf(await create(model, [user(text)])),
    stream: async (model, text, { onText, signal } = {}) => {
      const stream = client.messages.stream({ model, messages: [user(text)], max_tokens: TOKENS_MAX }, { signal });
      if (onText !== undefined) stream.on('text', onText);
      return textOf(await stream.finalMessage());
    },
    call: async (model) => {
      const asked = [user(TOOL_QUESTION)];
      const message = await create(model, asked, { tools });
      const call = callIn(message);
      if (call === undefined) throw new Error('no tool was called');
      return {
        name: call.name,
        input: call.input,
        answer: async (content) => {
          const result = user([{ type: 'tool_result', tool_use_id: call.id, content }]);
          const next = await create(model, [...asked, { role: 'assistant', content: message.content }, result], {
            tools,
          });
          return callIn(next)?.name ?? textOf(next);
        },
      };
    },
    fit: async (model) => {
      const output = { format: { type: 'json_schema', schema: ANSWER_SCHEMA } };
      return JSON.parse(textOf(await create(model, [user('Are you sure?')], { output_config: output })));
    },
    look: async (model) => {
      const source = { type: 'base64', media_type: 'image/png', data: PIXEL } as const;
      return textOf(await create(model, [user([{ type: 'image', source }])]));
    },
    failure: (thrown) =>
      failureOf(thrown, () => (thrown instanceof APIError ? (thrown.type ?? bodyTypeOf(thrown)) : undefined)),
  };
}

// An error in the middle of a stream has its body only.
const bodyTypeOf = ({ error }: APIError): unknown =>
  (error as { readonly error?: { readonly type?: string } } | undefined)?.error?.type;
