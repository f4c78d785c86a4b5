import { GatewayError, messageOf } from '../../src/core/errors.ts';
import type { ModelPolicy } from '../../src/core/policy.ts';
import type { AbiProfile } from './abi/structs.ts';
import { readChatMessages, readChatTools } from './chat/messages.ts';
import type { JsonFormat } from './json-exchange.ts';
import type { GenerateMessage, RerankMessage, ToWorker } from './protocol.ts';
import { chooseSampling } from './sampling.ts';

/** A request in the worker's words, and how the reply is to be written. */
export type WorkerRequest =
  | {
      readonly kind: 'chat';
      readonly message: Omit<GenerateMessage, 'id' | 'reply'>;
      readonly stream: boolean;
      readonly includeUsage: boolean;
      readonly ignored: readonly string[];
      /** About how long the prompt is, tokens; for time limits only. */
      readonly promptTokensGuess: number;
      /** The answer must be JSON. */
      readonly format: JsonFormat | undefined;
    }
  | { readonly kind: 'embeddings'; readonly message: Omit<Extract<ToWorker, { kind: 'embed' }>, 'id'> }
  | { readonly kind: 'rerank'; readonly message: Omit<RerankMessage, 'id'> };

type Body = Readonly<Record<string, unknown>>;

/**
 * Reads an OpenAI-language body for a path. Throws `invalid_request` or `unsupported_feature` for what this runtime
 * cannot do, `not_found` for a path it does not have.
 */
export function readWorkerRequest(
  path: string,
  bytes: Buffer | string,
  model: ModelPolicy,
  profile: AbiProfile,
): WorkerRequest {
  const body = parseBody(bytes);
  switch (path) {
    case '/v1/chat/completions':
      return readChat(body, bytes.length, model, profile);
    case '/v1/embeddings':
      if (model.settings.embeddings !== true && model.capabilities.embeddings !== true)
        throw unsupported('embeddings', model);
      return { kind: 'embeddings', message: { kind: 'embed', inputs: textsOf(body, 'input') } };
    case '/v1/rerank':
      if (model.settings.rerank !== true) throw unsupported('reranking', model);
      return {
        kind: 'rerank',
        message: { kind: 'rerank', query: textOf(body, 'query'), documents: textsOf(body, 'documents') },
      };
    default:
      throw new GatewayError('not_found', `an RKLLM model has no ${path}; it has /v1/chat/completions`);
  }
}

// Letters and digits make about four bytes a token; JSON around them makes the guess too long, which a limit may be.
const BYTES_PER_TOKEN = 4;

function readChat(body: Body, bytesLength: number, model: ModelPolicy, profile: AbiProfile): WorkerRequest {
  refuseUnsupported(body, model);
  const { sampling, ignored } = chooseSampling(profile, model.sampling, body);
  const messages = body['messages'];
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new GatewayError('invalid_request', 'messages must be a list with at least one message', {
      param: 'messages',
    });
  }
  const streamOptions = body['stream_options'] as { readonly include_usage?: unknown } | null | undefined;
  return {
    kind: 'chat',
    stream: body['stream'] === true,
    includeUsage: streamOptions?.include_usage === true,
    ignored,
    promptTokensGuess: Math.ceil(bytesLength / BYTES_PER_TOKEN),
    format: formatOf(body, model),
    message: {
      kind: 'generate',
      messages: readChatMessages(messages),
      tools: readChatTools(body['tools'], body['tool_choice']),
      thinking: thinkingOf(body, model),
      maxTokens: maxTokensOf(body),
      stop: stopsOf(body['stop']),
      sampling,
      lora: loraOf(body['lora'], model),
    },
  };
}

function refuseUnsupported(body: Body, model: ModelPolicy): void {
  if (typeof body['n'] === 'number' && body['n'] > 1) throw unsupported('n above 1', model, 'n');
  if (body['logprobs'] === true) throw unsupported('logprobs', model, 'logprobs');
}

type ResponseFormat = { readonly type?: unknown; readonly json_schema?: { readonly schema?: unknown } };

/** JSON is only promised where the operator trusts the model with it; it is then checked and asked for again. */
function formatOf(body: Body, model: ModelPolicy): JsonFormat | undefined {
  const format = body['response_format'] as ResponseFormat | null | undefined;
  if (format?.type === undefined || format.type === 'text') return undefined;
  if (model.capabilities.jsonSchema !== true) throw unsupported('guaranteed JSON output', model, 'response_format');
  return { schema: format.type === 'json_schema' ? format.json_schema?.schema : undefined };
}

function unsupported(what: string, model: ModelPolicy, param?: string): GatewayError {
  return new GatewayError('unsupported_feature', `${model.id} runs on RKLLM, which has no ${what}; use another model`, {
    ...(param === undefined ? {} : { param }),
  });
}

/** What the request says, in llama-server's words or OpenAI's, else the policy: a budget of 0 means no thinking. */
function thinkingOf(body: Body, { settings }: ModelPolicy): boolean | undefined {
  const keywords = body['chat_template_kwargs'] as { readonly enable_thinking?: unknown } | null | undefined;
  if (typeof keywords?.enable_thinking === 'boolean') return keywords.enable_thinking;
  if (typeof body['enable_thinking'] === 'boolean') return body['enable_thinking'];
  if (body['reasoning_effort'] === 'none') return false;
  return settings.reasoningBudget === 0 ? false : undefined;
}

function maxTokensOf(body: Body): number | undefined {
  const limit = body['max_completion_tokens'] ?? body['max_tokens'];
  return typeof limit === 'number' && limit > 0 ? limit : undefined;
}

function stopsOf(stop: unknown): readonly string[] {
  if (typeof stop === 'string') return stop === '' ? [] : [stop];
  return Array.isArray(stop) ? stop.filter((text): text is string => typeof text === 'string' && text !== '') : [];
}

function loraOf(lora: unknown, { id, settings }: ModelPolicy): string | undefined {
  if (lora === undefined || lora === null) return undefined;
  const known = Object.keys(settings.lora ?? {});
  if (typeof lora === 'string' && known.includes(lora)) return lora;
  const choice = known.length === 0 ? 'it has none; name them in settings.lora' : `it has ${known.join(', ')}`;
  throw new GatewayError('invalid_request', `${id} has no LoRA adapter ${JSON.stringify(lora)}; ${choice}`, {
    param: 'lora',
  });
}

function textOf(body: Body, name: string): string {
  const value = body[name];
  if (typeof value === 'string') return value;
  throw new GatewayError('invalid_request', `${name} must be a string`, { param: name });
}

function textsOf(body: Body, name: string): readonly string[] {
  const value = body[name];
  const texts = typeof value === 'string' ? [value] : value;
  const isTexts = Array.isArray(texts) && texts.length > 0 && texts.every((text) => typeof text === 'string');
  if (isTexts) return texts;
  throw new GatewayError('invalid_request', `${name} must be a string or a list of strings`, { param: name });
}

function parseBody(bytes: Buffer | string): Body {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    if (typeof value === 'object' && value !== null) return value as Body;
  } catch (cause) {
    throw new GatewayError('invalid_request', `the body is not JSON: ${messageOf(cause)}`, { cause });
  }
  throw new GatewayError('invalid_request', 'the body must be a JSON object');
}
