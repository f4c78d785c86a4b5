import type { Context, Hono } from 'hono';
import { MODEL_CLASSES } from '../core/classes.ts';
import { GatewayError } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import { decodeBody } from '../dialects/anthropic/decode.ts';
import { encodeModel, encodeModelPage, type ListedModel } from '../dialects/anthropic/encode-models.ts';
import { promptTokensOf } from '../route/prompt-tokens.ts';
import type { Bindings } from './app.ts';
import { checkIn, toWorkload } from './generation.ts';
import { findModel } from './models.ts';
import type { HttpParts } from './parts.ts';
import { readBody } from './read-body.ts';
import { type Routed, routeDryRun } from './route-request.ts';

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
  await parts.started();
  const { incoming } = context.env;
  const client = checkIn({ ...parts, isDraining: () => false }, incoming);
  const bytes = await readBody(incoming, parts.policy().gateway.bodyBytesMax);
  const { facts, chat } = decodeBody(bytes, (name) => context.req.header(name), 'count');
  const guessed = { ...facts, guess: await parts.classifier.guess(facts) };
  const routed = await routeDryRun(parts, toWorkload(parts, guessed, client), () => JSON.stringify(chat));
  const model = countingModel(routed);
  const tokenizer = parts.supervisor.views().get(model)?.facts?.tokenizer;
  const { tokens, basis } = promptTokensOf(routed.workload, parts.profileOf(model), tokenizer);
  return { input_tokens: tokens, x_router: { model, basis, estimated: !basis.startsWith('counted') } };
}

// A prompt that nobody could take now, because it is too long for instance, has a length all the same.
function countingModel({ workload, decision }: Routed): ModelId {
  if (decision.kind === 'chosen') return decision.model;
  const model = workload.pinnedModel ?? decision.candidates[0]?.model;
  if (model !== undefined) return model;
  throw new GatewayError(decision.refusal.code, decision.refusal.message);
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
