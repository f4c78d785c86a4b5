import type { Context, Hono } from 'hono';
import { MODEL_CLASSES } from '../core/classes.ts';
import type { ModelId } from '../core/ids.ts';
import { decodeBody } from '../dialects/anthropic/decode.ts';
import { encodeModel, encodeModelPage, type ListedModel } from '../dialects/anthropic/encode-models.ts';
import type { Bindings } from './app.ts';
import { checkIn } from './check-in.ts';
import { countPrompt } from './count-prompt.ts';
import { findModel } from './models.ts';
import type { HttpParts } from './parts.ts';
import { readBody } from './read-body.ts';

/** Header every client of Anthropic's language sends, and no other. */
export const ANTHROPIC_VERSION = 'anthropic-version';

/**
 * What Anthropic's language has beside its generations: `POST /v1/messages/count_tokens`, and the list of models in its
 * form for whoever sends `anthropic-version`. To be added before the routes of other languages at the same paths.
 */
export function addAnthropicRoutes(app: Hono<Bindings>, parts: HttpParts): void {
  app.post('/v1/messages/count_tokens', async (context) => context.json(await countTokens(context, parts)));
  app.get('/v1/models', async (context, next) => {
    if (context.req.header(ANTHROPIC_VERSION) === undefined) return next();
    const [limit, afterId, beforeId] = ['limit', 'after_id', 'before_id'].map((name) => context.req.query(name));
    return context.json(encodeModelPage(listModels(parts), { limit, afterId, beforeId }));
  });
  app.get('/v1/models/:id{.+}', async (context, next) => {
    if (context.req.header(ANTHROPIC_VERSION) === undefined) return next();
    const name = context.req.param('id');
    const model = listModels(parts).find(({ id }) => id === name) ?? listed(findModel(name, parts).id, parts);
    return context.json(encodeModel(model));
  });
}

/**
 * Counted by a child that is up and has the tokenizer of the model that would answer; else estimated, which
 * `x_router.estimated` says.
 */
async function countTokens(context: Context<Bindings>, parts: HttpParts) {
  const { incoming } = context.env;
  const client = checkIn({ ...parts, isDraining: () => false }, incoming);
  const bytes = await readBody(incoming, parts.policy().gateway.bodyBytesMax);
  const { facts, chat } = decodeBody(bytes, (name) => context.req.header(name), 'count');
  const asked = { facts, chatBody: () => JSON.stringify(chat) };
  const { tokens, model, isExact, basis } = await countPrompt(parts, asked, client);
  return { input_tokens: tokens, x_router: { model, basis, estimated: !isExact } };
}

function listModels(parts: HttpParts): readonly ListedModel[] {
  const automatic = ['auto', ...MODEL_CLASSES.map((name) => `auto:${name}`)].map((id) => ({
    id,
    displayName: id,
    createdAtMs: parts.startedAtMs,
    contextTokens: undefined,
  }));
  return [...automatic, ...[...parts.policy().models.keys()].map((id) => listed(id, parts))];
}

function listed(id: ModelId, parts: HttpParts): ListedModel {
  const model = parts.policy().models.get(id);
  const facts = parts.supervisor.views().get(id)?.facts;
  return {
    id,
    displayName: model?.aliases[0] ?? id,
    createdAtMs: parts.startedAtMs,
    contextTokens: facts?.contextTokens ?? model?.settings.context,
  };
}
