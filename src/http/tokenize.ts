import type { Context, Hono } from 'hono';
import { GatewayError } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import type { RuntimeConnection } from '../core/runtime.ts';
import type { GenerationCodec } from '../dialects/codec.ts';
import { GENERATION_CODECS } from '../dialects/codecs.ts';
import { readJsonObject } from '../dialects/openai/read-json.ts';
import type { Bindings } from './app.ts';
import { checkIn } from './check-in.ts';
import { countPrompt } from './count-prompt.ts';
import { findModel } from './models.ts';
import type { HttpParts } from './parts.ts';
import { readBody } from './read-body.ts';

/** Endpoints that count the prompt of a request in place of answering it: OpenAI's, and llama-server's for chats. */
const COUNTED = ['/v1/chat/completions', '/v1/responses'];
/** Names clients of llama-server, vLLM and others send the text under. */
const TEXT_FIELDS = ['content', 'text', 'prompt', 'input'];

/** `POST …/input_tokens`, and `POST /v1/tokenize` with its short name. */
export function addTokenRoutes(app: Hono<Bindings>, parts: HttpParts): void {
  for (const codec of GENERATION_CODECS) {
    if (!COUNTED.includes(codec.path)) continue;
    app.post(`${codec.path}/input_tokens`, async (context) => context.json(await countInput(parts, codec, context)));
  }
  for (const path of ['/v1/tokenize', '/tokenize']) {
    app.post(path, async (context) => {
      checkIn({ ...parts, isDraining: () => false }, context.env.incoming);
      return context.json(await tokenize(parts, context));
    });
  }
}

type AppContext = Context<Bindings>;

const bodyOf = (parts: HttpParts, { env }: AppContext): Promise<Buffer> =>
  readBody(env.incoming, parts.policy().gateway.bodyBytesMax);

async function countInput(parts: HttpParts, codec: GenerationCodec, context: AppContext) {
  const client = checkIn({ ...parts, isDraining: () => false }, context.env.incoming);
  const decoded = codec.decode(await bodyOf(parts, context), (name) => context.req.header(name));
  const { tokens, model, isExact, basis } = await countPrompt(parts, decoded, client);
  return { object: 'response.input_tokens', input_tokens: tokens, x_router: { model, exact: isExact, basis } };
}

async function tokenize(parts: HttpParts, context: AppContext) {
  const body = readJsonObject(await bodyOf(parts, context));
  const field = TEXT_FIELDS.find((name) => body[name] !== undefined) ?? 'content';
  const text = body[field];
  if (typeof text !== 'string') throw new GatewayError('invalid_request', `${field} must be a text`, { param: field });
  const flags = {
    addSpecial: flagOf(body, 'add_special'),
    withPieces: flagOf(body, 'with_pieces'),
  };
  await parts.started();
  const { model, connection } = await tokenizerOf(body['model'], parts, context.req.raw.signal);
  const tokens = await connection.tokenize?.(text, flags, context.req.raw.signal);
  if (tokens === undefined) {
    throw new GatewayError('unsupported_feature', `the runtime of ${model} cannot tokenize text`, { param: 'model' });
  }
  return { model, count: tokens.length, tokens };
}

function flagOf(body: Readonly<Record<string, unknown>>, name: string): boolean {
  const value = body[name] ?? false;
  if (typeof value === 'boolean') return value;
  throw new GatewayError('invalid_request', `${name} must be true or false`, { param: name });
}

type Tokenizer = { readonly model: ModelId; readonly connection: RuntimeConnection };

/** The model that is named, loaded where it is not; else the first of the policy that is loaded and can tokenize. */
async function tokenizerOf(name: unknown, parts: HttpParts, signal: AbortSignal): Promise<Tokenizer> {
  const { supervisor } = parts;
  if (name !== undefined && name !== null && typeof name !== 'string') {
    throw new GatewayError('invalid_request', 'model must be a string', { param: 'model' });
  }
  if (typeof name === 'string' && name !== 'auto' && !name.startsWith('auto:')) {
    const { id: model } = findModel(name, parts);
    if (supervisor.connectionOf(model) === undefined) await supervisor.load(model, signal);
    const connection = supervisor.connectionOf(model);
    if (connection !== undefined) return { model, connection };
    throw new GatewayError('model_unavailable', `${model} was unloaded again before it was asked; try again`);
  }
  for (const model of parts.policy().models.keys()) {
    const connection = supervisor.connectionOf(model);
    if (connection?.tokenize !== undefined) return { model, connection };
  }
  throw new GatewayError('no_usable_model', 'no model that can tokenize is loaded; name one, and it is loaded', {
    param: 'model',
  });
}
