import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { modelId } from '../../src/core/ids.ts';
import type { FinishedRun, OutputKey } from '../../src/core/knowledge.ts';
import { drawNormal, seededRandom } from '../../src/core/random.ts';
import { decodeMsOf, prefillMsOf, type ServiceModel } from '../../src/core/service-model.ts';
import { createLearner, type Learner } from '../../src/learn/learner.ts';

const SERVICE: ServiceModel = {
  prefillFixedMs: 20,
  prefillMsPerToken: 100,
  prefillContextMs: 0.005,
  decodeMsPerToken: 400,
  decodeContextMs: 0.02,
  loadMs: 5000,
  loadColdMs: undefined,
  unloadMs: 500,
};
const KEY: OutputKey = { class: 'interactive', task: 'chat', family: 'qwen3.5', thinking: false };
const SMALL = modelId('qwen3.5-4b');
const LARGE = modelId('qwen3.5-9b');
const EVERY_MS = 90_000;

/** How a run of a test differs from its benchmark: factors on its times, noise, and fields that replace others. */
type Course = {
  readonly prefill?: number;
  readonly decode?: number;
  readonly noise?: number;
  readonly given?: Partial<FinishedRun>;
};

/** Service model of which every time is `factor` times that of {@link SERVICE}. */
const scaled = (factor: number): ServiceModel => ({
  ...SERVICE,
  prefillFixedMs: SERVICE.prefillFixedMs * factor,
  prefillMsPerToken: SERVICE.prefillMsPerToken * factor,
  prefillContextMs: SERVICE.prefillContextMs * factor,
  decodeMsPerToken: SERVICE.decodeMsPerToken * factor,
  decodeContextMs: SERVICE.decodeContextMs * factor,
});

/** Runs one after the other, each promised by what the learner knows then. */
function traffic(learner: Learner, seed = 1) {
  const random = seededRandom(seed);
  let nowMs = 0;
  const next = ({ prefill = 1, decode = 1, noise = 0.08, given = {} }: Course = {}): FinishedRun => {
    nowMs += EVERY_MS;
    const promptTokens = 40 + Math.floor(random() * 400);
    const outputTokens = 20 + Math.floor(random() * 100);
    const service = given.service ?? SERVICE;
    const factors = learner.knowledge.calibration('cpu', given.model ?? SMALL, service);
    const trueMs = (factor: number, ms: number) => ms * factor * Math.exp(noise * drawNormal(random));
    const prefillMs = trueMs(prefill, prefillMsOf(SERVICE, promptTokens));
    const decodeMs = trueMs(decode, decodeMsOf(SERVICE, promptTokens, outputTokens));
    const promisedTtftMs = prefillMsOf(service, promptTokens) * factors.prefill.factor;
    return {
      nowMs,
      device: 'cpu',
      model: SMALL,
      key: KEY,
      service,
      promptTokens,
      cachedTokens: 0,
      outputTokens,
      prefillMs,
      decodeMs,
      endedByItself: true,
      quantile: 0.8,
      promisedTtftMs,
      promisedE2eMs: promisedTtftMs + decodeMsOf(service, promptTokens, outputTokens) * factors.decode.factor,
      actualTtftMs: prefillMs,
      actualE2eMs: prefillMs + decodeMs,
      disturbed: false,
      ...given,
    };
  };
  const teach = (runs: number, course: Course | ((turn: number) => Course) = {}): void => {
    for (let turn = 0; turn < runs; turn += 1) {
      learner.observe(next(typeof course === 'function' ? course(turn) : course));
    }
  };
  return { next, teach };
}

const eitherModel = (turn: number): Partial<FinishedRun> => ({ model: turn % 2 === 0 ? SMALL : LARGE });

describe('calibration', () => {
  it('repairs a benchmark that was wrong by half or double within three runs', () => {
    for (const wrong of [0.5, 2]) {
      const learner = createLearner();
      traffic(learner).teach(3, { prefill: wrong, decode: 1 / wrong });
      const { prefill, decode } = learner.knowledge.calibration('cpu', SMALL);
      expect(Math.abs(prefill.factor / wrong - 1)).toBeLessThan(0.15);
      expect(Math.abs(decode.factor * wrong - 1)).toBeLessThan(0.15);
      expect([prefill.n, decode.n]).toEqual([3, 3]);
    }
  });

  it('repairs figures guessed by size that are wrong by two orders of magnitude, and never measured ones by more than four', () => {
    for (const [basis, factor] of [
      ['estimated', 100],
      ['measured', 4],
    ] as const) {
      const learner = createLearner();
      traffic(learner).teach(10, { decode: 100, given: { basis } });
      expect(learner.knowledge.calibration('cpu', SMALL).decode.factor / factor).toBeCloseTo(1, 1);
    }
  });

  it('leaves the other models alone where one was benchmarked badly', () => {
    const learner = createLearner();
    const { teach } = traffic(learner);
    teach(40, { given: { model: LARGE } });
    teach(5, { decode: 2 });
    expect(learner.knowledge.calibration('cpu', LARGE).decode.factor).toBeLessThan(1.1);
  });

  it('lets a device that has become hot slow its other models too', () => {
    const learner = createLearner();
    const { teach } = traffic(learner);
    teach(60, (turn) => ({ given: eitherModel(turn) }));
    teach(15, { prefill: 1.6, decode: 1.6 });
    const { decode } = learner.knowledge.calibration('cpu', LARGE);
    expect(decode.factor).toBeGreaterThan(1.15);
    expect(decode.factor).toBeLessThan(1.7);
  });

  it('goes on without a jump when its model gets other figures, in the very next prediction', () => {
    const learner = createLearner();
    const { teach } = traffic(learner);
    teach(30, { prefill: 2, decode: 2 });
    const measuredAnew = learner.knowledge.calibration('cpu', SMALL, scaled(2));
    expect(measuredAnew.prefill.factor).toBeCloseTo(1, 1);
    expect(measuredAnew.decode.factor).toBeCloseTo(1, 1);
    teach(1, { prefill: 2, decode: 2, noise: 0, given: { service: scaled(2) } });
    expect(learner.knowledge.calibration('cpu', SMALL).decode.factor).toBeCloseTo(1, 1);
  });

  it('converges to the truth on figures that follow the same traffic', () => {
    const learner = createLearner();
    const { teach } = traffic(learner);
    const observed = (turn: number) => scaled(turn === 0 ? 1 : 3 * (1 - 1 / (turn + 2)));
    teach(30, (turn) => ({ prefill: 3, decode: 3, given: { service: observed(turn) } }));
    const { decode } = learner.knowledge.calibration('cpu', SMALL, observed(30));
    expect(decode.factor * 3 * (1 - 1 / 32)).toBeCloseTo(3, 0.5);
  });

  it('learns nothing from disturbed runs, too few tokens or engines that tell nothing', () => {
    const learner = createLearner();
    const useless: readonly Partial<FinishedRun>[] = [
      { disturbed: true },
      { promptTokens: 100, cachedTokens: 95, outputTokens: 3 },
      { prefillMs: undefined, decodeMs: undefined },
      { prefillMs: 0, decodeMs: 0 },
      { promptTokens: undefined, outputTokens: undefined },
    ];
    traffic(learner).teach(20, (turn) => ({ prefill: 3, decode: 3, given: useless[turn % useless.length] ?? {} }));
    expect(learner.knowledge.calibration('cpu', SMALL)).toEqual({
      prefill: { factor: 1, n: 0 },
      decode: { factor: 1, n: 0 },
      drift: 'none',
    });
  });

  it('is the same object until a run was taken in', () => {
    const learner = createLearner();
    const { teach } = traffic(learner);
    teach(1);
    const first = learner.knowledge.calibration('cpu', SMALL, SERVICE);
    expect(learner.knowledge.calibration('cpu', SMALL, SERVICE)).toBe(first);
    teach(1);
    expect(learner.knowledge.calibration('cpu', SMALL, SERVICE)).not.toBe(first);
  });

  it('forgets a model whose file has changed and nothing else', () => {
    const learner = createLearner();
    traffic(learner).teach(20, (turn) => ({ prefill: 2, given: eitherModel(turn) }));
    learner.forget(SMALL);
    expect(learner.knowledge.calibration('cpu', SMALL).prefill.n).toBe(0);
    expect(learner.knowledge.calibration('cpu', LARGE).prefill.n).toBe(10);
    expect(learner.knowledge.outputTokens(KEY, 0.5)?.n).toBe(20);
  });
});

describe('drift', () => {
  it('is told once, and over when the device was measured again', () => {
    const alarms: string[] = [];
    const learner = createLearner({ onDrift: (device) => alarms.push(device) });
    const { teach } = traffic(learner);
    teach(60, (turn) => ({ given: eitherModel(turn) }));
    expect(alarms).toEqual([]);
    teach(10, { prefill: 1.5, decode: 1.5 });
    expect(alarms).toEqual(['cpu']);
    expect(learner.knowledge.calibration('cpu', LARGE).drift).toBe('drifting');
    learner.remeasured('cpu', SMALL);
    const { drift, decode } = learner.knowledge.calibration('cpu', SMALL, scaled(1.5));
    expect(drift).toBe('none');
    expect(decode.factor).toBeCloseTo(1, 6);
    expect(learner.knowledge.calibration('cpu', LARGE).decode.factor).toBeGreaterThan(1.1);
    teach(100, { given: { service: scaled(1.5) }, prefill: 1.5, decode: 1.5 });
    expect(alarms).toEqual(['cpu']);
  });

  it('is not what a wrong benchmark is called', () => {
    const alarms: string[] = [];
    const learner = createLearner({ onDrift: (device) => alarms.push(device) });
    traffic(learner).teach(500, { prefill: 1.8, decode: 0.6 });
    expect(alarms).toEqual([]);
  });
});

describe('conformal', () => {
  it.each([
    ['a good benchmark', () => 1, 0.08],
    ['a benchmark wrong by two', () => 2, 0.08],
    ['a benchmark wrong by a half', () => 0.5, 0.08],
    ['slow and fast hours in turn', (turn: number) => 1 + 0.35 * Math.sin(turn / 60), 0.08],
    ['heavy noise', () => 1, 0.3],
  ])('keeps promises as often as meant, with %s', (_, factor, noise) => {
    for (const quantile of [0.8, 0.9]) {
      const learner = createLearner();
      const { next } = traffic(learner, 7);
      const runs = 1500;
      const kept = { ttft: 0, e2e: 0 };
      for (let turn = 0; turn < runs; turn += 1) {
        const run = next({ prefill: factor(turn), decode: factor(turn), noise, given: { quantile } });
        const { ttft, e2e } = learner.knowledge.conformal('interactive');
        if ((run.actualTtftMs ?? 0) <= (run.promisedTtftMs ?? 0) * Math.exp(ttft)) kept.ttft += 1;
        if ((run.actualE2eMs ?? 0) <= (run.promisedE2eMs ?? 0) * Math.exp(e2e)) kept.e2e += 1;
        learner.observe(run);
      }
      expect(Math.abs(kept.ttft / runs - quantile)).toBeLessThan(0.03);
      expect(Math.abs(kept.e2e / runs - quantile)).toBeLessThan(0.03);
    }
  });

  it('makes up for promises that are short by two where nothing else does', () => {
    const learner = createLearner();
    const { next } = traffic(learner, 3);
    let kept = 0;
    const [before, runs] = [100, 1500];
    for (let turn = 0; turn < before + runs; turn += 1) {
      const run = next();
      const told = { ...run, promisedE2eMs: (run.actualE2eMs ?? 0) * (0.4 + 0.2 * ((turn * 0.618) % 1)) };
      const { e2e } = learner.knowledge.conformal('interactive');
      if (turn >= before && (told.actualE2eMs ?? 0) <= told.promisedE2eMs * Math.exp(e2e)) kept += 1;
      learner.observe(told);
    }
    expect(Math.abs(kept / runs - 0.8)).toBeLessThan(0.03);
  });

  it('is kept per class', () => {
    const learner = createLearner();
    traffic(learner).teach(50, { given: { promisedE2eMs: 1 } });
    expect(learner.knowledge.conformal('interactive').e2e).toBe(1);
    expect(learner.knowledge.conformal('batch')).toEqual({ ttft: 0, e2e: 0 });
  });
});

describe('state', () => {
  const asked = ({ knowledge }: Learner) => [
    knowledge.calibration('cpu', SMALL),
    knowledge.calibration('cpu', LARGE, scaled(2)),
    knowledge.conformal('interactive'),
    knowledge.outputTokens(KEY, 0.9),
    knowledge.remainingTokens(KEY, 60, 0.8),
    knowledge.utilisation('cpu', 50 * EVERY_MS),
  ];
  const taught = (): Learner => {
    const learner = createLearner();
    const { teach } = traffic(learner);
    teach(50, (turn) => ({ prefill: 1.4, decode: 0.8, given: eitherModel(turn) }));
    teach(5, { given: { endedByItself: false, outputTokens: 400 } });
    return learner;
  };

  it('answers and learns the same after it went through JSON', () => {
    const learner = taught();
    const copy = createLearner({ state: JSON.parse(JSON.stringify(learner.export())) });
    expect(asked(copy)).toEqual(asked(learner));
    traffic(learner, 9).teach(10, { decode: 1.3 });
    traffic(copy, 9).teach(10, { decode: 1.3 });
    expect(asked(copy)).toEqual(asked(learner));
  });

  it('put together from what changed is the same as all of it', () => {
    const learner = createLearner();
    const { teach } = traffic(learner);
    const rows = new Map<string, unknown>();
    for (let turn = 0; turn < 5; turn += 1) {
      teach(10, { decode: 1.2, given: eitherModel(turn) });
      for (const { key, value } of JSON.parse(JSON.stringify(learner.takeChanged()))) rows.set(key, value);
    }
    expect(learner.takeChanged()).toEqual([]);
    const whole = JSON.parse(JSON.stringify(learner.export())) as { rows: readonly { key: string; value: unknown }[] };
    expect(rows).toEqual(new Map(whole.rows.map(({ key, value }) => [key, value])));
  });

  it('of which one row is damaged loses that row and says so', () => {
    const { version, rows } = taught().export();
    const told: string[] = [];
    const state = {
      version,
      rows: rows.map(({ key, value }) => (key === 'device cpu' ? { key, value: { arms: 3 } } : { key, value })),
    };
    const learner = createLearner({ state, onDamaged: (message) => told.push(message) });
    expect(learner.knowledge.calibration('cpu', SMALL).decode.n).toBe(0);
    expect(learner.knowledge.outputTokens(KEY, 0.5)?.n).toBe(55);
    expect(told).toEqual([expect.stringMatching(/^1 parts .*device cpu: terms/)]);
  });

  it.each([
    [null],
    ['text'],
    [{ version: 0, rows: [] }],
    [{ version: 1 }],
    [{ version: 1, rows: [{ key: 'x', value: 1 }] }],
  ])('of an unknown form, like %j, is left aside with a word', (state) => {
    const told: string[] = [];
    const learner = createLearner({ state, onDamaged: (message) => told.push(message) });
    expect(told).toHaveLength(state === null ? 0 : 1);
    traffic(learner).teach(1);
    expect(learner.knowledge.calibration('cpu', SMALL).decode.n).toBe(1);
  });
});

describe('observe', () => {
  it('never throws and never corrects measured figures by more than four, whatever it is told', () => {
    const number = fc.oneof(fc.double(), fc.constant(undefined));
    const given = fc.record({
      nowMs: fc.double({ min: 0, max: 1e13, noNaN: true }),
      promptTokens: number,
      cachedTokens: number,
      outputTokens: number,
      prefillMs: number,
      decodeMs: number,
      actualTtftMs: number,
      actualE2eMs: number,
      promisedTtftMs: number,
      promisedE2eMs: number,
    });
    fc.assert(
      fc.property(fc.array(given, { maxLength: 20 }), (runs) => {
        const learner = createLearner();
        const { next } = traffic(learner);
        for (const one of runs) learner.observe(next({ given: one }));
        const { prefill, decode } = learner.knowledge.calibration('cpu', SMALL);
        for (const { factor } of [prefill, decode]) {
          expect(factor).toBeGreaterThanOrEqual(0.25 - 1e-9);
          expect(factor).toBeLessThanOrEqual(4 + 1e-9);
        }
        expect(createLearner({ state: JSON.parse(JSON.stringify(learner.export())) }).export().rows).toHaveLength(
          learner.export().rows.length,
        );
      }),
    );
  });
});
