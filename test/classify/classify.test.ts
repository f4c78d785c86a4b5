import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Classification, classify } from '../../src/classify/classify.ts';
import { MODEL_CLASSES } from '../../src/core/classes.ts';
import type { ClientPolicy } from '../../src/core/client-policy.ts';
import { modelId } from '../../src/core/ids.ts';
import { modelPolicy, smallPolicy } from '../route/small-policy.ts';
import { requestFacts } from './request-facts.ts';

const policy = smallPolicy({
  models: [
    modelPolicy('qwen3.5-4b', { file: '/m/Qwen3.5-4B-Q4_K_M.gguf', aliases: ['default'] }),
    modelPolicy('big', { file: '/m/Qwen_Qwen3.5-27B-Q4_K_M.gguf', classes: ['batch'] }),
    modelPolicy('deep', { file: '/m/Qwen3.5-9B-Q4_K_M.gguf', classes: ['quality', 'batch'] }),
    modelPolicy('npu-short', { file: '/m/qwen3-1.7b-w8a8-ctx512-rk3588.rkllm' }),
    modelPolicy('npu-long', { file: '/m/qwen3-1.7b-w8a8-ctx4096-rk3588.rkllm' }),
  ],
  classes: { interactive: { ttftMs: 20_000, e2eMs: 45_000, minQuality: 0.65 } },
  rules: [
    { when: { systemMatches: /memory keeper/i }, class: 'batch', path: 'classify.rules[0]' },
    { when: { header: { name: 'X-Purpose', equals: 'background' } }, class: 'route', path: 'classify.rules[1]' },
    { when: { maxTokensGte: 2000, stream: false }, class: 'quality', path: 'classify.rules[2]' },
    { when: { client: 'nightly' }, class: 'quality', path: 'classify.rules[3]' },
    { when: { task: 'creative', promptTokensLte: 20 }, class: 'quality', path: 'classify.rules[4]' },
  ],
});

const client = (given: Partial<ClientPolicy> = {}): ClientPolicy => ({
  name: 'discord',
  keyEnv: 'KEY',
  class: undefined,
  requestsPerMinute: undefined,
  maxTokens: undefined,
  concurrent: undefined,
  ...given,
});

type Given = Parameters<typeof requestFacts>[0];

function workloadOf(given: Given, by?: ClientPolicy) {
  const answer = classify(requestFacts(given), policy, by);
  if (answer.kind !== 'ok') throw new Error(answer.message);
  return answer.workload;
}

function mistakeOf(given: Given): Extract<Classification, { kind: 'invalid' }> {
  const answer = classify(requestFacts(given), policy, undefined);
  if (answer.kind !== 'invalid') throw new Error(`accepted as ${answer.workload.class}`);
  return answer;
}

const ruleNames = (given: Given, by?: ClientPolicy) => workloadOf(given, by).reasons.map((reason) => reason.rule);

describe('classify: the class', () => {
  it.each<[string, Given, ClientPolicy | undefined, string, string]>([
    ['model auto:<class>', { model: 'auto:quality' }, undefined, 'quality', 'hint'],
    ['a header', { classHint: { value: 'route', source: 'x-router-class' } }, undefined, 'route', 'hint'],
    ['the default of the key', {}, client({ class: 'quality' }), 'quality', 'client'],
    ['service tier flex', { serviceTier: 'flex' }, undefined, 'quality', 'service_tier'],
    ['high reasoning effort', { reasoningEffort: 'high' }, undefined, 'quality', 'reasoning_effort'],
    [
      'a rule on the system text',
      { systemText: 'You are the Memory Keeper.' },
      undefined,
      'batch',
      'classify.rules[0]',
    ],
    ['a rule on a header', { headers: { 'x-purpose': 'background' } }, undefined, 'route', 'classify.rules[1]'],
    ['a rule with two conditions', { maxTokens: 4000, stream: false }, undefined, 'quality', 'classify.rules[2]'],
    ['a rule on the client', {}, client({ name: 'nightly' }), 'quality', 'classify.rules[3]'],
    ['a rule on the task', { lastUserText: 'a poem, please' }, undefined, 'quality', 'classify.rules[4]'],
    ['16 tokens of output', { maxTokens: 16 }, undefined, 'route', 'shape'],
    ['32 tokens of output', { maxTokens: 32 }, undefined, 'route', 'shape'],
    ['33 tokens of output', { maxTokens: 33 }, undefined, 'interactive', 'shape'],
    ['a title prompt', { lastUserText: 'Generate a concise title for this conversation' }, undefined, 'route', 'shape'],
    [
      'a title prompt in the system text',
      { systemText: '### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.' },
      undefined,
      'route',
      'shape',
    ],
    ['nothing at all', {}, undefined, 'interactive', 'shape'],
    ['nothing at all, not streamed', { stream: false }, undefined, 'interactive', 'shape'],
  ])('%s decides', (_name, given, by, expected, rule) => {
    expect(workloadOf(given, by).class).toBe(expected);
    expect(ruleNames(given, by)).toContain(rule);
  });

  it('a hint of the client wins over key, service tier, rules and shape', () => {
    const given = { model: 'auto:interactive', serviceTier: 'flex', maxTokens: 8, systemText: 'memory keeper' };
    expect(workloadOf(given, client({ class: 'batch' })).class).toBe('interactive');
  });

  it('the model field wins over the header where both name a class', () => {
    const classHint = { value: 'route', source: 'x-router-class' };
    expect(workloadOf({ model: 'auto:quality', classHint }).class).toBe('quality');
  });

  it('a rule whose condition only partly holds does not apply', () => {
    expect(workloadOf({ maxTokens: 4000, stream: true }).class).toBe('interactive');
  });

  it('a rule on max_tokens does not apply to a request without it', () => {
    expect(workloadOf({ stream: false }).class).toBe('interactive');
  });

  it('a pattern is not run on text beyond the first 4,000 characters', () => {
    const systemText = `${'x'.repeat(4000)} memory keeper`;
    expect(workloadOf({ systemText }).class).toBe('interactive');
  });

  it('an unknown class is refused with the list, and says where it stood', () => {
    expect(mistakeOf({ model: 'auto:fast' })).toMatchObject({ param: 'model', code: 'invalid_request' });
    const mistake = mistakeOf({ classHint: { value: 'urgent', source: 'metadata.router_class' } });
    expect(mistake).toMatchObject({ param: 'metadata.router_class', code: 'invalid_request' });
    expect(mistake.message).toContain('route, interactive, quality, batch');
  });
});

describe('classify: the model', () => {
  it.each([
    ['qwen3.5-4b', 'qwen3.5-4b'],
    ['QWEN3.5-4B', 'qwen3.5-4b'],
    ['default', 'qwen3.5-4b'],
    ['Qwen3.5-4B-Q4_K_M.gguf', 'qwen3.5-4b'],
    ['models/Qwen3.5-4B-Q4_K_M', 'qwen3.5-4b'],
    ['Qwen_Qwen3.5-27B-Q4_K_M', 'big'],
    ['qwen3.5-27b', 'big'],
    ['qwen3.5-9b', 'deep'],
  ])('%s is the model %s', (name, id) => {
    expect(workloadOf({ model: name }).pinnedModel).toBe(id);
  });

  it('auto pins nothing', () => {
    expect(workloadOf({ model: 'auto' }).pinnedModel).toBeUndefined();
    expect(workloadOf({ model: 'auto:batch' }).pinnedModel).toBeUndefined();
  });

  it('a tag that Ollama’s clients put behind a name means nothing', () => {
    expect(workloadOf({ model: 'qwen3.5-4b:latest' }).pinnedModel).toBe('qwen3.5-4b');
    expect(workloadOf({ model: 'default:latest' }).pinnedModel).toBe('qwen3.5-4b');
    expect(mistakeOf({ model: 'qwen3.5-4b:latest:latest' }).code).toBe('model_not_found');
  });

  it('a friendly name that fits two models takes the first declared and says so', () => {
    const { pinnedModel, reasons } = workloadOf({ model: 'qwen3-1.7b' });
    expect(pinnedModel).toBe('npu-short');
    expect(reasons[0]?.detail).toContain('also fits npu-long');
  });

  it('another quantization of a known model is another model', () => {
    expect(mistakeOf({ model: 'Qwen3.5-4B-Q8_0.gguf' }).code).toBe('model_not_found');
  });

  it.each(['gpt-4o', '', 'constructor', '__proto__'])(
    'an unknown name %j is refused and the known ones are listed',
    (name) => {
      const mistake = mistakeOf({ model: name });
      expect(mistake).toMatchObject({ code: 'model_not_found', param: 'model' });
      expect(mistake.message).toContain('qwen3.5-4b, big, deep');
    },
  );

  it('an unknown name is routed like auto where the policy says so', () => {
    const lenient = smallPolicy({ models: [modelPolicy('a')], unknownModel: 'auto' });
    const answer = classify(requestFacts({ model: 'gpt-4o' }), lenient, undefined);
    expect(answer).toMatchObject({ kind: 'ok', workload: { pinnedModel: undefined, class: 'interactive' } });
    expect(answer.kind === 'ok' && answer.workload.reasons[0]?.rule).toBe('unknown_model');
  });

  it('a model of one class makes the request one of that class, whatever key or shape say', () => {
    expect(workloadOf({ model: 'big', maxTokens: 8 }, client({ class: 'interactive' })).class).toBe('batch');
  });

  it('a model of several classes keeps a class it serves and else takes its first', () => {
    expect(workloadOf({ model: 'deep' }).class).toBe('quality');
    expect(workloadOf({ model: 'deep' }, client({ class: 'batch' })).class).toBe('batch');
  });

  it('a model and a class it does not serve contradict each other', () => {
    const classHint = { value: 'interactive', source: 'x-router-class' };
    expect(mistakeOf({ model: 'big', classHint })).toMatchObject({ code: 'invalid_request', param: 'model' });
  });
});

describe('classify: needs and bounds', () => {
  it('facts become needs and leave the class alone', () => {
    const given: Given = {
      imageCount: 1,
      audioCount: 1,
      inToolLoop: true,
      responseFormat: 'json_schema',
      logprobs: true,
      stream: true,
    };
    const { needs, class: found } = workloadOf(given);
    expect(needs).toEqual({
      streaming: true,
      vision: true,
      audio: true,
      tools: true,
      jsonSchema: true,
      logprobs: true,
    });
    expect(found).toBe('interactive');
    expect(ruleNames(given)).toEqual(
      expect.arrayContaining(['images', 'audio', 'tools', 'response_format', 'logprobs']),
    );
  });

  it('a plain request needs nothing', () => {
    expect(workloadOf({ stream: false }).needs).toEqual({});
  });

  it.each([
    [undefined, 400, 400],
    [100, 400, 100],
    [4000, 400, 400],
    [4000, undefined, 4000],
    [undefined, undefined, undefined],
  ])('max_tokens %s under a cap of %s is %s', (maxTokens, cap, expected) => {
    expect(workloadOf({ maxTokens }, client({ maxTokens: cap })).outputTokensMax).toBe(expected);
  });

  it('targets come from the class, and headers override them one by one', () => {
    expect(workloadOf({}).slo).toEqual({ ttftMs: 20_000, e2eMs: 45_000, source: 'class interactive' });
    const { slo } = workloadOf({ sloE2eMs: 5000 });
    expect(slo).toEqual({ ttftMs: 20_000, e2eMs: 5000, source: 'x-slo headers over class interactive' });
  });

  it('never throws, always leaves a reason, and answers the same twice', () => {
    const anyFacts = fc.record({
      model: fc.oneof(fc.constantFrom('auto', 'auto:route', 'big', 'default'), fc.string()),
      systemText: fc.string({ maxLength: 200 }),
      lastUserText: fc.string({ unit: 'binary', maxLength: 200 }),
      promptChars: fc.nat(),
      maxTokens: fc.option(fc.nat(), { nil: undefined }),
      stream: fc.boolean(),
      serviceTier: fc.option(fc.string(), { nil: undefined }),
      reasoningEffort: fc.option(fc.string(), { nil: undefined }),
    });
    fc.assert(
      fc.property(anyFacts, (given) => {
        const facts = requestFacts(given);
        const answer = classify(facts, policy, undefined);
        expect(classify(facts, policy, undefined)).toEqual(answer);
        if (answer.kind === 'invalid') expect(['model_not_found', 'invalid_request']).toContain(answer.code);
        else {
          expect(MODEL_CLASSES).toContain(answer.workload.class);
          expect(answer.workload.reasons.length).toBeGreaterThan(0);
        }
      }),
    );
  });
});

describe('what is open to a client', () => {
  const open = client({ classes: ['route', 'quality'], models: [modelId('qwen3.5-4b'), modelId('deep')] });
  const refusalOf = (given: Given) => classify(requestFacts(given), policy, open);

  it.each<[string, Given, string, string]>([
    ['a model it names', { model: 'npu-long' }, 'model', 'it may use qwen3.5-4b, deep'],
    ['a class it names', { model: 'auto:batch' }, 'model', 'class batch is not open to client discord'],
    [
      'a class in a header',
      { classHint: { value: 'interactive', source: 'x-router-class' } },
      'model',
      'class interactive',
    ],
  ])('refuses %s', (_, given, param, message) => {
    expect(refusalOf(given)).toMatchObject({
      kind: 'invalid',
      code: 'forbidden',
      param,
      message: expect.stringContaining(message),
    });
  });

  it('refuses a model whose only class is not open', () => {
    const batch = client({ classes: ['route'], models: [modelId('big')] });
    expect(classify(requestFacts({ model: 'big' }), policy, batch)).toMatchObject({ code: 'forbidden' });
  });

  it('takes the default of the key, else the first class, where our guess is not open', () => {
    expect(workloadOf({}, open)).toMatchObject({ class: 'route', openModels: open.models });
    expect(workloadOf({}, { ...open, class: 'quality' }).class).toBe('quality');
    expect(workloadOf({ serviceTier: 'flex' }, open).class).toBe('quality');
    expect(ruleNames({}, open)).toContain('client.classes');
  });
});

describe('a request for vectors or scores', () => {
  it.each(['embeddings', 'rerank'] as const)(
    'needs %s, has no floor of quality, and somebody waits for it',
    (wants) => {
      expect(workloadOf({ wants, maxTokens: 1 })).toMatchObject({
        class: 'interactive',
        needs: { [wants]: true },
        minQuality: 0,
      });
      expect(workloadOf({ wants, model: 'auto:batch' }).class).toBe('batch');
      expect(workloadOf({ wants }, client({ class: 'quality' })).class).toBe('quality');
    },
  );
});
