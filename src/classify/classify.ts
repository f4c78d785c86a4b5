import { isModelClass, MODEL_CLASSES, type ModelClass } from '../core/classes.ts';
import type { ClientPolicy } from '../core/client-policy.ts';
import type { Reason, Slo, Workload } from '../core/decision.ts';
import type { ModelId } from '../core/ids.ts';
import type { Capabilities, Policy } from '../core/policy.ts';
import type { RequestFacts } from '../core/request.ts';
import { classForClient, forbiddenModel } from './client-rules.ts';
import { describeKnownModels, resolveModelName } from './model-name.ts';
import { matchRule } from './rules.ts';
import { classOfShape } from './shape.ts';
import { classOfGuess, taskOf } from './use-guess.ts';

/** The classifier's answer: a workload to decide on, or the client's mistake in words fit for an error object. */
export type Classification =
  | { readonly kind: 'ok'; readonly workload: Workload }
  | {
      readonly kind: 'invalid';
      readonly message: string;
      /** Request field at fault: `model`, or where the class was asked for. */
      readonly param: string;
      readonly code: 'model_not_found' | 'invalid_request' | 'forbidden';
    };

type Invalid = Extract<Classification, { kind: 'invalid' }>;

/** Efforts that ask for a better answer rather than a faster one. */
const PATIENT_EFFORTS: ReadonlySet<string> = new Set(['high', 'xhigh', 'max']);

/**
 * Says what a request asks of the machine. Pure, no model call, no clock; the first step that knows decides the class:
 *
 *   explicit hint   model `auto:<class>` → header or metadata → a pinned model's own classes → the API key's default
 *   service         `service_tier: flex` and high `reasoning_effort` → quality
 *   policy rules    in the order of the file
 *   shape           see {@link classOfShape}
 *   guess           of a learned classifier, see {@link classOfGuess}; only where the shape says nothing
 *
 * Hard facts (images, tools, a grammar) never choose a class: they become `needs`, which no class can waive.
 * `flex` means "slower is fine", and the client still waits on its socket; batch work may be refused outside its window,
 * so flex becomes `quality`, never `batch`.
 */
export function classify(facts: RequestFacts, policy: Policy, client: ClientPolicy | undefined): Classification {
  const reasons: Reason[] = [];
  const pinned = pinnedModel(facts, policy, reasons);
  if (typeof pinned === 'object') return pinned;
  const forbidden = forbiddenModel(pinned, client);
  if (forbidden !== undefined) return forbidden;
  const hinted = hintedClass(facts, reasons);
  if (typeof hinted === 'object') return hinted;
  const task = taskOf(facts, policy, reasons);
  const needs = neededCapabilities(facts, reasons);
  const implied = hinted ?? impliedClass(pinned, facts, policy, client, task, reasons);
  const wanted = classForClient({ class: implied, isAsked: hinted !== undefined }, client, reasons);
  if (typeof wanted === 'object') return wanted;
  const found = pinned === undefined ? wanted : classWithinModel(pinned, policy, wanted, hinted, reasons);
  if (typeof found === 'object') return found;
  const fitted = classForClient({ class: found, isAsked: true }, client, reasons);
  if (typeof fitted === 'object') return fitted;
  const classPolicy = policy.classes[fitted];
  return {
    kind: 'ok',
    workload: {
      class: fitted,
      task,
      reasons,
      pinnedModel: pinned,
      openModels: client?.models,
      promptChars: facts.promptChars,
      messageCount: facts.messageCount,
      prefix: facts.prefix,
      promptTokensExact: undefined,
      outputTokensMax: outputBound(facts, client, reasons),
      needs,
      stream: facts.stream,
      slo: targets(facts, classPolicy.ttftMs, classPolicy.e2eMs, fitted),
      // Quality is measured on answers; of vectors and scores it says nothing.
      minQuality: facts.wants === undefined ? classPolicy.minQuality : 0,
    },
  };
}

// `auto` and `auto:<class>` leave the choice to us; every other name must be a model's.
function pinnedModel(facts: RequestFacts, policy: Policy, reasons: Reason[]): ModelId | undefined | Invalid {
  const name = facts.model;
  if (name === 'auto' || name.startsWith('auto:')) return undefined;
  const match = resolveModelName(name, policy);
  if (match !== undefined) {
    reasons.push({ rule: 'model', detail: `"${name}" is ${match.by} ${match.model}${ambiguity(match.alsoFits)}` });
    return match.model;
  }
  if (policy.gateway.unknownModel === 'auto') {
    reasons.push({ rule: 'unknown_model', detail: `"${name}" is not a model here, so it is routed like "auto"` });
    return undefined;
  }
  return {
    kind: 'invalid',
    message: `model "${name}" does not exist; use "auto", "auto:<class>" or one of ${describeKnownModels(policy)}`,
    param: 'model',
    code: 'model_not_found',
  };
}

const ambiguity = (alsoFits: readonly ModelId[]): string =>
  alsoFits.length === 0 ? '' : ` (first declared; the name also fits ${alsoFits.join(', ')})`;

function hintedClass(facts: RequestFacts, reasons: Reason[]): ModelClass | undefined | Invalid {
  if (facts.model.startsWith('auto:')) return checkedClass(facts.model.slice('auto:'.length), 'model', reasons);
  if (facts.classHint === undefined) return undefined;
  return checkedClass(facts.classHint.value, facts.classHint.source, reasons);
}

function checkedClass(text: string, source: string, reasons: Reason[]): ModelClass | Invalid {
  if (isModelClass(text)) {
    reasons.push({ rule: 'hint', detail: `${source} asks for class ${text}` });
    return text;
  }
  return {
    kind: 'invalid',
    message: `class "${text}" does not exist; use one of ${MODEL_CLASSES.join(', ')}`,
    param: source,
    code: 'invalid_request',
  };
}

function impliedClass(
  pinned: ModelId | undefined,
  facts: RequestFacts,
  policy: Policy,
  client: ClientPolicy | undefined,
  task: string,
  reasons: Reason[],
): ModelClass {
  const ownClasses = pinned === undefined ? undefined : policy.models.get(pinned)?.classes;
  if (ownClasses?.length === 1 && ownClasses[0] !== undefined) {
    reasons.push({ rule: 'model.classes', detail: `${pinned} serves only class ${ownClasses[0]}` });
    return ownClasses[0];
  }
  if (client?.class !== undefined) {
    reasons.push({ rule: 'client', detail: `the key of client ${client.name} defaults to class ${client.class}` });
    return client.class;
  }
  if (facts.wants !== undefined) {
    reasons.push({ rule: 'endpoint', detail: 'somebody waits for it' });
    return 'interactive';
  }
  return (
    patientClass(facts, reasons) ??
    ruleClass(facts, policy, client, task, reasons) ??
    classOfShape(facts, reasons) ??
    classOfGuess(facts, policy, reasons)
  );
}

function patientClass(facts: RequestFacts, reasons: Reason[]): ModelClass | undefined {
  if (facts.serviceTier === 'flex') {
    reasons.push({ rule: 'service_tier', detail: 'flex: slower is fine' });
    return 'quality';
  }
  if (facts.reasoningEffort === undefined || !PATIENT_EFFORTS.has(facts.reasoningEffort)) return undefined;
  reasons.push({ rule: 'reasoning_effort', detail: facts.reasoningEffort });
  return 'quality';
}

function ruleClass(
  facts: RequestFacts,
  policy: Policy,
  client: ClientPolicy | undefined,
  task: string,
  reasons: Reason[],
): ModelClass | undefined {
  for (const rule of policy.classify.rules) {
    const evidence = matchRule(rule.when, { facts, client, task });
    if (evidence === undefined) continue;
    reasons.push({ rule: rule.path, detail: evidence });
    return rule.class;
  }
  return undefined;
}

// A model may be closed to the class we found. An explicit hint against it is the client's contradiction; our own guess gives way.
function classWithinModel(
  pinned: ModelId,
  policy: Policy,
  wanted: ModelClass,
  hinted: ModelClass | undefined,
  reasons: Reason[],
): ModelClass | Invalid {
  const ownClasses = policy.models.get(pinned)?.classes;
  const first = ownClasses?.[0];
  if (ownClasses === undefined || first === undefined || ownClasses.includes(wanted)) return wanted;
  if (hinted !== undefined) {
    return {
      kind: 'invalid',
      message: `model ${pinned} serves only class ${ownClasses.join(', ')}, but class ${hinted} was asked for; drop the class or choose another model`,
      param: 'model',
      code: 'invalid_request',
    };
  }
  reasons.push({ rule: 'model.classes', detail: `${pinned} does not serve class ${wanted}, so class ${first}` });
  return first;
}

function neededCapabilities(facts: RequestFacts, reasons: Reason[]): Partial<Capabilities> {
  const needs: { -readonly [Name in keyof Capabilities]?: boolean } = {};
  if (facts.stream) needs.streaming = true;
  if (facts.wants !== undefined) {
    needs[facts.wants] = true;
    reasons.push({ rule: 'endpoint', detail: `asks for ${facts.wants}` });
  }
  if (facts.rawPrompt === true) {
    needs.completions = true;
    reasons.push({ rule: 'endpoint', detail: 'a raw prompt to be completed' });
  }
  if (facts.imageCount > 0) {
    needs.vision = true;
    reasons.push({ rule: 'images', detail: `${facts.imageCount} image part(s) need a vision model` });
  }
  if (facts.audioCount > 0) {
    needs.audio = true;
    reasons.push({ rule: 'audio', detail: `${facts.audioCount} audio part(s) need an audio model` });
  }
  if (facts.inToolLoop || facts.toolCount > 0) {
    needs.tools = true;
    reasons.push({ rule: 'tools', detail: facts.inToolLoop ? 'inside a tool loop' : `${facts.toolCount} tool(s)` });
  }
  if (facts.responseFormat !== 'text') {
    needs.jsonSchema = true;
    reasons.push({ rule: 'response_format', detail: `${facts.responseFormat} needs grammar-constrained output` });
  }
  if (facts.logprobs) {
    needs.logprobs = true;
    reasons.push({ rule: 'logprobs', detail: 'token probabilities were asked for' });
  }
  return needs;
}

function outputBound(facts: RequestFacts, client: ClientPolicy | undefined, reasons: Reason[]): number | undefined {
  const cap = client?.maxTokens;
  if (cap === undefined || (facts.maxTokens !== undefined && facts.maxTokens <= cap)) return facts.maxTokens;
  reasons.push({ rule: 'client.max_tokens', detail: `output capped at ${cap} tokens for client ${client?.name}` });
  return cap;
}

function targets(
  facts: RequestFacts,
  classTtftMs: number | undefined,
  classE2eMs: number | undefined,
  modelClass: ModelClass,
): Slo {
  const overridden = facts.sloTtftMs !== undefined || facts.sloE2eMs !== undefined;
  return {
    ttftMs: facts.sloTtftMs ?? classTtftMs,
    e2eMs: facts.sloE2eMs ?? classE2eMs,
    source: overridden ? `x-slo headers over class ${modelClass}` : `class ${modelClass}`,
  };
}
