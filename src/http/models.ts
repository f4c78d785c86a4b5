import type { Hono } from 'hono';
import { describeKnownModels, resolveModelName } from '../classify/model-name.ts';
import { MODEL_CLASSES } from '../core/classes.ts';
import { GatewayError } from '../core/errors.ts';
import type { ModelPolicy } from '../core/policy.ts';
import { prefillMsOf } from '../core/service-model.ts';
import { serviceFigures } from '../route/service.ts';
import type { Bindings } from './app.ts';
import { checkIn } from './check-in.ts';
import type { HttpParts } from './parts.ts';
import { snakeCase } from './snake-case.ts';
import { isSimulated } from './status.ts';

/** `GET /v1/models` and `GET /v1/models/{id}` in OpenAI's shape, with what we know beside it. */
export function addModelRoutes(app: Hono<Bindings>, parts: HttpParts): void {
  app.get('/v1/models', (context) => {
    // What a client cannot use would only be picked to be refused.
    const client = checkIn({ ...parts, isDraining: () => false }, context.env.incoming);
    const open = [...parts.policy().models.values()].filter(({ id }) => client?.models?.includes(id) !== false);
    const models = open.map((model) => encodeModel(model, parts));
    const classes = MODEL_CLASSES.filter((name) => client?.classes?.includes(name) !== false);
    const virtual = ['auto', ...classes.map((name) => `auto:${name}`)].map((id) => encodeVirtual(id, parts));
    return context.json({ object: 'list', data: [...virtual, ...models] });
  });
  app.get('/v1/models/:id{.+}', (context) => {
    const id = context.req.param('id');
    if (id === 'auto' || MODEL_CLASSES.some((name) => id === `auto:${name}`))
      return context.json(encodeVirtual(id, parts));
    const model = findModel(id, parts);
    return context.json(encodeModel(model, parts));
  });
}

/** The model a name stands for: id, alias, friendly name or file name. Throws `model_not_found` listing what exists. */
export function findModel(name: string, parts: HttpParts): ModelPolicy {
  const policy = parts.policy();
  const found = resolveModelName(name, policy);
  const model = found === undefined ? undefined : policy.models.get(found.model);
  if (model !== undefined) return model;
  const known = describeKnownModels(policy);
  throw new GatewayError('model_not_found', `no model "${name.slice(0, 80)}"; there are: ${known}`, { param: 'model' });
}

function encodeVirtual(id: string, parts: HttpParts) {
  return { id, object: 'model', created: Math.floor(parts.startedAtMs / 1000), owned_by: 'sluice' };
}

/** A model as OpenAI's object, with what we know beside it. */
export function encodeModel(model: ModelPolicy, parts: HttpParts) {
  const view = parts.supervisor.views().get(model.id);
  return {
    ...encodeVirtual(model.id, parts),
    aliases: model.aliases,
    available: view?.availability.kind === 'available',
    reason: view?.availability.kind === 'unavailable' ? view.availability.reason : undefined,
    state: view?.residency.kind,
    simulated: isSimulated(model, parts.policy(), view?.runtimeVersion) ? true : undefined,
    context_length: view?.facts?.contextTokens ?? model.settings.context,
    capabilities: snakeCase(view?.facts?.capabilities),
    speed: encodeSpeed(model, parts),
  };
}

/**
 * Speed of the loaded model, as routing reckons with it; null where the model cannot be used. `basis` is the least trusted
 * of the figures, so that an estimate is never taken for a measurement.
 */
function encodeSpeed(model: ModelPolicy, parts: HttpParts) {
  const view = parts.snapshot().models.get(model.id);
  if (view === undefined || view.availability.kind === 'unavailable') return null;
  const { service, profile, runBasis } = serviceFigures(view, model);
  const { promptTokens } = parts.policy().verdicts.chat;
  return {
    prefill_tokens_per_sec: hundredth(profile.prefillTokensPerSec.value),
    decode_tokens_per_sec: hundredth(profile.decodeTokensPerSec.value),
    ttft_ms: hundredth(prefillMsOf(service, promptTokens)),
    ttft_prompt_tokens: promptTokens,
    load_ms: hundredth(service.loadMs),
    basis: runBasis,
    stale: view.stale.length > 0,
  };
}

const hundredth = (value: number): number => Math.round(value * 100) / 100;
