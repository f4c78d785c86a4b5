import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MODEL_CLASSES, type ModelClass } from '../../src/core/classes.ts';
import type { Decision, Workload } from '../../src/core/decision.ts';
import { modelId } from '../../src/core/ids.ts';
import type { ClassPolicy, ModelPolicy, RoutingPolicy } from '../../src/core/policy.ts';
import type { ModelView, Snapshot } from '../../src/core/snapshot.ts';
import { decide, decidePreferred } from '../../src/route/decide.ts';
import {
  laneEntry,
  laneView,
  measured,
  modelFacts,
  modelPolicy,
  NOW_MS,
  smallPolicy,
  snapshotOf,
  workload,
} from './small-policy.ts';

// Three models: the better, the slower. 100 prompt and 100 output tokens take 3 s, 11 s and 22 s.
const MODELS = [
  modelPolicy('small', { quality: 0.4 }),
  modelPolicy('middle', { quality: 0.6 }),
  modelPolicy('large', { quality: 0.8 }),
];
const VIEWS: Readonly<Record<string, Partial<ModelView>>> = {
  small: { profile: measured({ prefill: 100, decode: 50 }) },
  middle: { profile: measured({ prefill: 100, decode: 10 }) },
  large: { profile: measured({ prefill: 50, decode: 5 }) },
};

type Given = {
  readonly workload?: Partial<Workload>;
  readonly models?: readonly ModelPolicy[];
  readonly views?: Readonly<Record<string, Partial<ModelView>>>;
  readonly classPolicy?: Partial<ClassPolicy>;
  readonly routing?: Partial<RoutingPolicy>;
  readonly snapshot?: Parameters<typeof snapshotOf>[1];
};

function decided(given: Given = {}): Decision {
  const asked = workload(given.workload);
  const policy = smallPolicy({
    models: given.models ?? MODELS,
    classes: { [asked.class]: given.classPolicy ?? {} },
    routing: given.routing ?? {},
  });
  const views = Object.fromEntries(
    Object.keys({ ...VIEWS, ...given.views }).map((id) => [id, { ...VIEWS[id], ...given.views?.[id] }]),
  );
  return decide(asked, snapshotOf(views, given.snapshot), policy);
}

const slo = (e2eMs: number | undefined, ttftMs?: number) => ({ ttftMs, e2eMs, source: 'test' });
const reasonOf = (decision: Decision, id: string) => decision.candidates.find(({ model }) => model === id)?.reason;

describe('decide: choosing among feasible models', () => {
  it('the best quality that meets the target wins', () => {
    expect(decided({ workload: { slo: slo(60_000) } })).toMatchObject({ model: 'large', degraded: false });
    expect(decided({ workload: { slo: slo(20_000) } })).toMatchObject({ model: 'middle', degraded: false });
    expect(decided({ workload: { slo: slo(5000) } })).toMatchObject({ model: 'small', degraded: false });
  });

  it('without a target only quality counts', () => {
    expect(decided()).toMatchObject({ model: 'large', degraded: false });
  });

  it('the preferred model wins whenever it is feasible, and only then', () => {
    const classPolicy = { prefer: modelId('middle') };
    expect(decided({ classPolicy, workload: { slo: slo(60_000) } })).toMatchObject({ model: 'middle' });
    expect(decided({ classPolicy, workload: { slo: slo(5000) } })).toMatchObject({ model: 'small' });
  });

  it('a queue makes the shorter run worth more than a little quality', () => {
    const views = { large: { profile: measured({ prefill: 50, decode: 5 }) } };
    const models = [modelPolicy('small', { quality: 0.75 }), modelPolicy('large', { quality: 0.8 })];
    const running = [laneEntry({ remainingMs: 1000, model: 'other' })];
    const queued = Array.from({ length: 3 }, () =>
      laneEntry({ remainingMs: 1000, model: 'other', deadlineMs: NOW_MS }),
    );
    const busy = { lanes: [laneView('cpu', { running, waiting: queued })] };
    expect(decided({ models, views, workload: { slo: slo(60_000) } })).toMatchObject({ model: 'large' });
    expect(decided({ models, views, workload: { slo: slo(60_000) }, snapshot: busy })).toMatchObject({
      model: 'small',
    });
  });

  it('a loaded model wins over an equal one that must be loaded', () => {
    const models = [modelPolicy('middle', { quality: 0.6 }), modelPolicy('twin', { quality: 0.6 })];
    const views: Given['views'] = { middle: { residency: { kind: 'stopped' } }, twin: { ...VIEWS['middle'] } };
    expect(decided({ models, views, workload: { slo: slo(60_000) } })).toMatchObject({ model: 'twin' });
  });

  it('equal models are taken in the order of the policy', () => {
    const models = ['one', 'two'].map((id) => modelPolicy(id));
    expect(decided({ models, views: { one: {}, two: {} } })).toMatchObject({ model: 'one' });
  });

  it('fallbacks are the next best, then those that miss, and never the chosen', () => {
    expect(decided({ workload: { slo: slo(20_000) } })).toMatchObject({
      model: 'middle',
      fallbacks: ['small', 'large'],
    });
    const classPolicy = { whenNone: 'reject' } as const;
    expect(decided({ classPolicy, workload: { slo: slo(20_000) } })).toMatchObject({ fallbacks: ['small'] });
  });
});

describe('decide: when no model meets the targets', () => {
  it('degrade keeps the quality floor and takes the smallest miss', () => {
    const decision = decided({ workload: { slo: slo(2000), minQuality: 0.5 } });
    expect(decision).toMatchObject({ kind: 'chosen', model: 'middle', degraded: true, fallbacks: ['large', 'small'] });
    expect(decision.kind === 'chosen' && decision.reason).toBe(
      'middle: degraded: e2e 11 s > 2 s (prefill 1 s + decode 9.9 s, measured); no model meets class interactive, least miss',
    );
  });

  it('degrade gives up the floor when nobody reaches it: best quality in time first', () => {
    const decision = decided({ workload: { slo: slo(20_000), minQuality: 0.9 } });
    expect(decision).toMatchObject({ model: 'middle', degraded: true, fallbacks: ['small', 'large'] });
    expect(decision.kind === 'chosen' && decision.reason).toContain('quality 0.6 < 0.9');
  });

  it('the worse of TTFT and E2E decides which miss is smallest', () => {
    const views: Given['views'] = {
      small: { profile: measured({ prefill: 10, decode: 1000 }) },
      middle: { profile: measured({ prefill: 1000, decode: 5 }) },
    };
    const models = MODELS.slice(0, 2);
    expect(decided({ models, views, workload: { slo: slo(10_000, 1000) } })).toMatchObject({ model: 'middle' });
    expect(decided({ models, views, workload: { slo: slo(1000, 10_000) } })).toMatchObject({ model: 'small' });
  });

  it('reject refuses with the closest model and its figures', () => {
    const decision = decided({ classPolicy: { whenNone: 'reject' }, workload: { slo: slo(2000) } });
    expect(decision).toMatchObject({ refusal: { code: 'deadline_unreachable', retryAfterMs: undefined } });
    expect(decision.kind === 'refused' && decision.refusal.message).toContain('closest is small: e2e 3 s > 2 s');
  });

  it('defer says when to come back where waiting was part of the miss', () => {
    const lanes = [laneView('cpu', { running: [laneEntry({ remainingMs: 30_000, model: 'other' })] })];
    const deferred = { classPolicy: { whenNone: 'defer' }, workload: { slo: slo(20_000) } } as const;
    expect(decided({ ...deferred, snapshot: { lanes } })).toMatchObject({
      refusal: { code: 'deadline_unreachable', retryAfterMs: 30_000 },
    });
  });

  it('a class that does not degrade refuses when nobody reaches its quality', () => {
    const decision = decided({ classPolicy: { whenNone: 'reject' }, workload: { minQuality: 0.9 } });
    expect(decision).toMatchObject({ refusal: { code: 'no_usable_model' } });
  });

  it('a figure that rounds to its bound is shown in milliseconds', () => {
    const decision = decided({ workload: { slo: slo(21_799) } });
    expect(reasonOf(decision, 'large')).toContain('e2e 21800 ms > 21799 ms');
  });
});

describe('decide: keeping figures fresh', () => {
  const relaxed = slo(120_000);
  const draw = (value: number) => ({ workload: { slo: relaxed, draw: value } });

  it('one request in a hundred with time to spare takes the second best, and says so', () => {
    const explored = decided(draw(0.009));
    expect(explored).toMatchObject({ model: 'middle', explored: true, degraded: false });
    expect(explored.kind === 'chosen' && explored.reason).toContain('explored in place of large');
    expect(explored.kind === 'chosen' && explored.fallbacks[0]).toBe('large');
    expect(decided(draw(0.011))).toMatchObject({ model: 'large', explored: false });
    expect(decided({ workload: { slo: relaxed } })).toMatchObject({ model: 'large', explored: false });
  });

  it('never where the target is less than twice away, without a target, or against the preference', () => {
    const lucky = { draw: 0 };
    expect(decided({ workload: { slo: slo(40_000), ...lucky } })).toMatchObject({ model: 'large', explored: false });
    expect(decided({ workload: lucky })).toMatchObject({ model: 'large', explored: false });
    const classPolicy = { prefer: modelId('large') };
    expect(decided({ classPolicy, ...draw(0) })).toMatchObject({ model: 'large', explored: false });
    expect(decided({ routing: { explore: 0 }, ...draw(0) })).toMatchObject({ model: 'large', explored: false });
    expect(decided({ workload: { ...lucky, slo: relaxed, pinnedModel: modelId('large') } })).toMatchObject({
      model: 'large',
      explored: false,
    });
  });

  it('never by loading a model', () => {
    const views: Given['views'] = { middle: { residency: { kind: 'stopped' } } };
    expect(decided({ views, ...draw(0) })).toMatchObject({ model: 'small', explored: true });
  });
});

describe('decide: quality, conversations and swaps', () => {
  const measuredQuality = (value: number, low: number) =>
    ({ value, low, provenance: 'measured', n: 100, source: 'test' }) as const;

  it('measured quality at the task moves the prior', () => {
    const views: Given['views'] = {
      large: { profile: { ...VIEWS['large']!.profile, 'quality.code': measuredQuality(0.5, 0.4) } },
    };
    const asked = { slo: slo(60_000) };
    expect(decided({ views, workload: { ...asked, task: 'code' } })).toMatchObject({ model: 'middle' });
    expect(decided({ views, workload: { ...asked, task: 'chat' } })).toMatchObject({ model: 'large' });
    const floor = decided({ views, workload: { ...asked, task: 'code', minQuality: 0.55 } });
    expect(reasonOf(floor, 'large')).toBe('quality 0.532 < 0.55');
  });

  it('a quarantined model is used only when it is named', () => {
    const views: Given['views'] = { large: { quarantined: '9 % of its answers loop' } };
    const decision = decided({ views });
    expect(decision).toMatchObject({ model: 'middle' });
    expect(reasonOf(decision, 'large')).toBe('quarantined: 9 % of its answers loop');
    expect(decided({ views, workload: { pinnedModel: modelId('large') } })).toMatchObject({ model: 'large' });
    const alone = decided({ models: MODELS.slice(2), views });
    expect(alone).toMatchObject({ refusal: { code: 'no_usable_model' } });
    expect(alone.kind === 'refused' && alone.refusal.message).toContain('name large to use it all the same');
  });

  it('a conversation stays with the model that holds it when another is only a little better', () => {
    const models = [modelPolicy('one', { quality: 0.6 }), modelPolicy('two', { quality: 0.63 })];
    const prefix = { hashes: [1], chars: [300], messages: [1], beforeAnswer: [false] };
    const views: Given['views'] = { one: { prefixCache: { cachedShare: () => 0.9 } }, two: {} };
    expect(decided({ models, views, workload: { prefix } })).toMatchObject({ model: 'one' });
    expect(decided({ models, views })).toMatchObject({ model: 'two' });
    const better = [models[0]!, modelPolicy('two', { quality: 0.7 })];
    expect(decided({ models: better, views, workload: { prefix } })).toMatchObject({ model: 'two' });
  });

  it('models do not take turns in memory for a small gain', () => {
    const models = [modelPolicy('loaded', { quality: 0.6 }), modelPolicy('other', { quality: 0.7 })];
    const views: Given['views'] = { loaded: {}, other: { residency: { kind: 'stopped' }, memoryBytes: 20e9 } };
    const memory = { budgetBytes: 22e9, pinnedBytes: 0, evictableBytes: 4e9 };
    const asked = { models, views, workload: { slo: slo(120_000) } };
    expect(decided({ ...asked, snapshot: { memory } })).toMatchObject({ model: 'other' });
    expect(decided({ ...asked, snapshot: { memory, recentSwaps: 6 } })).toMatchObject({ model: 'loaded' });
    const roomy = { memory: { ...memory, budgetBytes: 30e9 }, recentSwaps: 6 };
    expect(decided({ ...asked, snapshot: roomy })).toMatchObject({ model: 'other' });
  });
});

describe('decide: context', () => {
  const tight: Given['views'] = { small: { facts: modelFacts({ contextTokens: 150 }) } };
  const models = MODELS.slice(0, 1);

  it('an answer that would be cut is a miss, not an obstacle', () => {
    const decision = decided({ models, views: tight });
    expect(decision).toMatchObject({ kind: 'chosen', model: 'small', degraded: true });
    expect(decision.kind === 'chosen' && decision.reason).toContain('prompt 100 + output 100 tokens > context 150');
  });

  it('a model with room for the answer is taken before one without', () => {
    const views = { ...tight, small: { ...tight['small'], profile: measured({ prefill: 1e4, decode: 1e4 }) } };
    expect(decided({ views, workload: { slo: slo(20_000) } })).toMatchObject({ model: 'middle', degraded: false });
  });

  it('a generous max_tokens does not make the context too short', () => {
    const views: Given['views'] = { small: { facts: modelFacts({ contextTokens: 250 }) } };
    expect(decided({ models, views, workload: { outputTokensMax: 8000 } })).toMatchObject({ degraded: false });
  });

  it('a prompt as long as the context leaves no room for a token', () => {
    const views: Given['views'] = { small: { facts: modelFacts({ contextTokens: 100 }) } };
    expect(decided({ models, views })).toMatchObject({ refusal: { code: 'context_length_exceeded' } });
  });

  it('the refusal speaks of the model that got furthest', () => {
    const views: Given['views'] = {
      small: { facts: modelFacts({ contextTokens: 50 }) },
      middle: { facts: modelFacts({ contextTokens: 90 }) },
    };
    const vision = { ...modelFacts().capabilities, vision: true };
    const two = MODELS.slice(0, 2);
    const decision = decided({
      models: two,
      views: { ...views, small: { facts: modelFacts({ contextTokens: 50, capabilities: vision }) } },
      workload: { needs: { vision: true } },
    });
    expect(reasonOf(decision, 'middle')).toBe('cannot do images');
    expect(decision.kind === 'refused' && decision.refusal).toMatchObject({ code: 'context_length_exceeded' });
    expect(decision.kind === 'refused' && decision.refusal.message).toContain('small: prompt 100');
  });
});

describe('decide: obstacles', () => {
  const only = (view: Partial<ModelView>, model: Partial<ModelPolicy> = {}, asked: Partial<Workload> = {}) =>
    decided({ models: [modelPolicy('one', model)], views: { one: view }, workload: asked });

  it('a disabled model is not used, and the refusal names the key', () => {
    const decision = only({}, { enabled: false });
    expect(decision.kind === 'refused' && decision.refusal.message).toContain('models.one.enabled');
  });

  it('a child that has failed for good is not used', () => {
    const decision = only({ residency: { kind: 'failed', reason: 'exited 5 times' } });
    expect(decision.kind === 'refused' && decision.refusal.message).toContain('exited 5 times');
  });

  it('a child that backs off can be chosen and its delay counts', () => {
    const decision = only({ residency: { kind: 'backoff', retryInMs: 4000, reason: 'exited' } });
    expect(decision).toMatchObject({ kind: 'chosen', predicted: { loadMs: 6000 } });
  });

  it("the operator's word on a capability wins over the file's", () => {
    const needs = { needs: { tools: true } };
    expect(only({}, {}, needs).kind).toBe('chosen');
    expect(only({}, { capabilities: { tools: false } }, needs)).toMatchObject({
      refusal: { code: 'unsupported_feature' },
    });
    expect(only({ facts: undefined }, { capabilities: { tools: true } }, needs).kind).toBe('chosen');
    expect(only({ facts: undefined }, {}, needs)).toMatchObject({ refusal: { code: 'unsupported_feature' } });
  });

  it('a model that only computes vectors or scores is not asked for words, named or not', () => {
    const vectors = { capabilities: { generation: false, embeddings: true } } as const;
    for (const asked of [{}, { pinnedModel: modelId('one') }]) {
      expect(only({}, vectors, asked)).toMatchObject({
        refusal: {
          code: 'unsupported_feature',
          message: expect.stringContaining('only computes embeddings or scores'),
        },
      });
    }
    expect(only({}, vectors, { needs: { embeddings: true } }).kind).toBe('chosen');
    expect(only({}, vectors, { needs: { rerank: true } }).kind).toBe('refused');
  });

  it('many texts that are read one by one may be longer together than a context', () => {
    const long = { promptChars: 1e6, outputTokensMax: 1 };
    expect(only({}, {}, long)).toMatchObject({ refusal: { code: 'context_length_exceeded' } });
    const vectors = { capabilities: { embeddings: true } } as const;
    expect(only({}, vectors, { ...long, needs: { embeddings: true } }).kind).toBe('chosen');
  });

  it('a model that is not open to the client is never chosen', () => {
    expect(only({}, {}, { openModels: [modelId('one')] }).kind).toBe('chosen');
    expect(only({}, {}, { openModels: [modelId('other')] })).toMatchObject({
      refusal: { code: 'no_usable_model', message: expect.stringContaining('not open to this client') },
    });
  });

  it('no model at all is said plainly', () => {
    expect(decided({ models: [] })).toMatchObject({
      candidates: [],
      refusal: { code: 'no_usable_model', message: 'no model is declared; add one under models in the policy' },
    });
  });

  it('text that is not ASCII does not reach the reasons', () => {
    const decision = only({
      availability: { kind: 'unavailable', reason: '/m/\u00fcber\ngro\u00df.gguf fehlt', remedy: 'x' },
    });
    expect(reasonOf(decision, 'one')).toBe('/m/?ber?gro?.gguf fehlt');
  });
});

describe('decide: a pinned model', () => {
  const pin = (asked: Partial<Workload>, given: Given = {}) =>
    decided({ ...given, workload: { pinnedModel: modelId('large'), ...asked } });

  it('is chosen without regard to quality, preference and deadline', () => {
    const classPolicy = { prefer: modelId('small'), whenNone: 'reject' } as const;
    expect(pin({ minQuality: 0.9 }, { classPolicy })).toMatchObject({ model: 'large', degraded: false, fallbacks: [] });
    const late = pin({ slo: slo(2000) }, { classPolicy });
    expect(late).toMatchObject({ model: 'large', degraded: true });
    expect(late.kind === 'chosen' && late.reason).toContain('asked for by name');
  });

  it('is the only candidate', () => {
    expect(pin({}).candidates).toHaveLength(1);
  });

  it('is refused outside of its classes', () => {
    const models = [modelPolicy('large', { classes: ['batch'] })];
    expect(pin({}, { models })).toMatchObject({ refusal: { code: 'no_usable_model' } });
  });
});

describe('decide: always', () => {
  const anyView = fc.record({
    quality: fc.float({ min: 0, max: 1, noNaN: true }),
    prefill: fc.integer({ min: 1, max: 500 }),
    decode: fc.integer({ min: 1, max: 100 }),
    available: fc.boolean(),
    context: fc.integer({ min: 64, max: 8192 }),
    memoryBytes: fc.integer({ min: 1e9, max: 30e9 }),
    loaded: fc.boolean(),
  });
  const anyCase = fc.record({
    models: fc.array(anyView, { maxLength: 12 }),
    class: fc.constantFrom<ModelClass>(...MODEL_CLASSES),
    whenNone: fc.constantFrom('degrade' as const, 'defer' as const, 'reject' as const),
    minQuality: fc.float({ min: 0, max: 1, noNaN: true }),
    e2eMs: fc.option(fc.integer({ min: 100, max: 300_000 }), { nil: undefined }),
    promptChars: fc.integer({ min: 0, max: 40_000 }),
  });

  function build(one: typeof anyCase extends fc.Arbitrary<infer Value> ? Value : never, preferred?: number) {
    const models = one.models.map((given, at) => modelPolicy(`m${at}`, { quality: given.quality }));
    const views = Object.fromEntries(
      one.models.map((given, at) => [
        `m${at}`,
        {
          availability: given.available
            ? ({ kind: 'available' } as const)
            : ({ kind: 'unavailable', reason: 'gone', remedy: 'find it' } as const),
          facts: modelFacts({ contextTokens: given.context }),
          profile: measured(given),
          memoryBytes: given.memoryBytes,
          residency: { kind: given.loaded ? 'ready' : 'stopped' } as const,
        },
      ]),
    );
    const prefer = preferred === undefined ? undefined : modelId(`m${preferred}`);
    const policy = smallPolicy({ models, classes: { [one.class]: { whenNone: one.whenNone, prefer } } });
    const snapshot: Snapshot = snapshotOf(views);
    const { class: modelClass, minQuality, promptChars } = one;
    return { asked: workload({ class: modelClass, minQuality, promptChars, slo: slo(one.e2eMs) }), snapshot, policy };
  }

  it('the chosen could serve, is marked degraded exactly when it misses something, and a feasible model is never passed over', () => {
    fc.assert(
      fc.property(anyCase, (one) => {
        const { asked, snapshot, policy } = build(one);
        const decision = decide(asked, snapshot, policy);
        expect(decide(asked, snapshot, policy)).toEqual(decision);
        expect(decision.candidates).toHaveLength(policy.models.size);
        const feasible = decision.candidates.filter((candidate) => candidate.feasible);
        if (decision.kind === 'refused') {
          expect(feasible).toEqual([]);
          expect(decision.refusal.message.length).toBeGreaterThan(10);
          return;
        }
        expect(decision.degraded).toBe(feasible.length === 0);
        if (!decision.degraded) expect(feasible.map(({ model }) => model)).toContain(decision.model);
        expect(snapshot.models.get(decision.model)?.availability.kind).toBe('available');
        expect(decision.fallbacks).not.toContain(decision.model);
        expect(decision.reason).toMatch(/^[ -~]+$/);
      }),
    );
  });

  it('taken alone, the preferred model is the one a whole decision takes, with the same figures and spares', () => {
    let taken = 0;
    fc.assert(
      fc.property(anyCase, fc.nat(11), (one, index) => {
        const fair = { ...one, minQuality: one.minQuality / 4, promptChars: one.promptChars / 40 };
        const { asked, snapshot, policy } = build(fair, index % Math.max(1, one.models.length));
        const whole = decide(asked, snapshot, policy);
        const alone = decidePreferred(asked, snapshot, policy);
        const { prefer } = policy.classes[asked.class];
        const isPreferred = whole.kind === 'chosen' && !whole.degraded && whole.model === prefer;
        expect(alone === undefined).toBe(!isPreferred);
        if (alone?.kind !== 'chosen' || whole.kind !== 'chosen') return;
        taken += 1;
        const { model, device, predicted, degraded, explored, fallbacks, candidates } = whole;
        expect(alone).toMatchObject({ model, device, predicted, degraded, explored, fallbacks });
        expect(alone.candidates).toEqual(candidates);
        expect(alone.reason).toMatch(/^[ -~]+; preferred$/);
        expect(alone.alone).toMatchObject({ model, feasible: true, predicted });
      }),
      { numRuns: 300 },
    );
    expect(taken).toBeGreaterThan(20);
  });

  it('a model that the client names, and one that would be late, take a whole decision', () => {
    const asked = workload({ slo: slo(60_000) });
    const policy = smallPolicy({ models: MODELS, classes: { [asked.class]: { prefer: modelId('small') } } });
    const snapshot = snapshotOf(VIEWS);
    expect(decidePreferred(asked, snapshot, policy)).toMatchObject({ model: 'small' });
    expect(decidePreferred({ ...asked, pinnedModel: modelId('small') }, snapshot, policy)).toBeUndefined();
    expect(decidePreferred({ ...asked, slo: slo(1000) }, snapshot, policy)).toBeUndefined();
  });
});
