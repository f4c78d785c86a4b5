import { beforeAll, describe, expect, it } from 'vitest';
import { TASKS } from '../../src/core/classes.ts';
import { modelId } from '../../src/core/ids.ts';
import type { Policy } from '../../src/core/policy.ts';
import { decide } from '../../src/route/decide.ts';
import { qualityOf } from '../../src/route/quality.ts';
import { boardPolicy } from '../../src/simulate/board-policy.ts';
import { measureDay } from '../../src/simulate/measure-day.ts';
import { clairvoyant } from '../../src/simulate/rules/clairvoyant.ts';
import { chooseRules } from '../../src/simulate/rules/list.ts';
import { ours } from '../../src/simulate/rules/ours.ts';
import type { NamedRule } from '../../src/simulate/rules/rule.ts';
import { always, random } from '../../src/simulate/rules/simple.ts';
import { type DayResult, simulateDay } from '../../src/simulate/simulate-day.ts';
import { generateRequests, type SimulatedRequest, type WorkloadPlan } from '../../src/simulate/workload.ts';
import { referenceWorkload } from '../../src/simulate/workload-file.ts';
import { createWorld, profileOf } from '../../src/simulate/world.ts';

const policy = boardPolicy();
const plan = referenceWorkload();
const world = createWorld(policy);

type Given = {
  readonly rule: NamedRule;
  readonly seed?: number;
  readonly wrong?: boolean;
  readonly requests?: readonly SimulatedRequest[];
  readonly plan?: WorkloadPlan;
  readonly policy?: Policy;
};

function simulate(given: Given): Promise<DayResult> {
  const seed = given.seed ?? 1;
  const profiles = new Map(
    [...world.models].map(([id, model]) => [id, profileOf(model, given.wrong ? seed : undefined)]),
  );
  const requests = given.requests ?? generateRequests(plan, 1, seed);
  return simulateDay({
    world,
    policy: given.policy ?? policy,
    plan: given.plan ?? plan,
    requests,
    profiles,
    rule: given.rule,
    climate: 'steady',
    seed,
  });
}

const summaryOf = ({ outcomes }: DayResult) =>
  outcomes.map(({ request, model, kind, e2eMs, met }) => `${request.index} ${model} ${kind} ${e2eMs} ${met}`);

describe('simulateDay', () => {
  it('gives the same day for the same seed, and another for another', async () => {
    const [first, second, other] = [
      await simulate({ rule: ours, wrong: true }),
      await simulate({ rule: ours, wrong: true }),
      await simulate({ rule: ours, wrong: true, seed: 2 }),
    ];
    expect(summaryOf(second)).toEqual(summaryOf(first));
    expect(summaryOf(other)).not.toEqual(summaryOf(first));
  });

  it.each([ours, random, always(modelId('qwen3.5-9b'))])(
    'ends every arrival exactly once under $name',
    async (rule) => {
      const requests = generateRequests(plan, 1.6, 3);
      const { outcomes } = await simulate({ rule, requests, seed: 3 });
      expect(outcomes.map(({ request }) => request.index).sort((a, b) => a - b)).toEqual(
        requests.map(({ index }) => index),
      );
    },
  );

  it('refuses what a full queue cannot take, and counts it', async () => {
    const requests = generateRequests(plan, 1, 1);
    const narrow: Policy = { ...policy, gateway: { ...policy.gateway, queueDepthMax: 1 } };
    const { outcomes } = await simulate({ rule: always(modelId('qwen3.5-4b')), requests, policy: narrow });
    const figures = measureDay({ outcomes, swaps: 0, utilisation: {} }, 24);
    expect(figures.refused).toBeGreaterThan(0);
    expect(outcomes).toHaveLength(requests.length);
  });

  it('decides as decide does on the same snapshot', async () => {
    let compared = 0;
    const watched: NamedRule = {
      name: 'watched',
      create: () => ({
        choose: ({ workload, snapshot, policy: inForce }) => {
          const direct = decide(workload, snapshot, inForce);
          const again = ours.create({ world, policy, draws: undefined as never });
          const chosen = again.choose({ workload, snapshot, policy: inForce, truth: undefined as never });
          expect(JSON.stringify(chosen)).toBe(JSON.stringify(direct));
          compared += 1;
          return direct;
        },
      }),
    };
    const day = await simulate({ rule: watched });
    expect(compared).toBe(day.outcomes.length);
    expect(summaryOf(day)).toEqual(summaryOf(await simulate({ rule: ours })));
  });

  it('runs a request in its service time on an idle board, noise included', async () => {
    const request: SimulatedRequest = {
      index: 0,
      atMs: 1_000,
      class: 'interactive',
      task: 'chat',
      stream: true,
      promptTokens: 100,
      promptChars: 342,
      outputTokens: 50,
      noise: { prefill: 1.1, decode: 0.9 },
      draw: 0.5,
    };
    const { outcomes } = await simulate({ rule: always(modelId('qwen3.5-2b')), requests: [request] });
    const prefillMs = 100 * (1000 / 16.18) * (1 + (7.5e-5 * 100) / 2) * 1.1;
    const decodeMs = 49 * (1000 / 5.54) * (1 + 7.5e-5 * 125) * 0.9;
    expect(outcomes[0]?.e2eMs).toBeCloseTo(prefillMs + decodeMs, 3);
    expect(outcomes[0]?.ttftMs).toBeCloseTo(prefillMs, 3);
  });

  it('keeps batch items in their window and to their deadline', async () => {
    const { outcomes } = await simulate({ rule: ours });
    const items = outcomes.filter((outcome) => outcome.class === 'batch');
    expect(items).toHaveLength(48);
    expect(items.every(({ met }) => met)).toBe(true);
  });

  it('stops between two events when it is aborted', async () => {
    const controller = new AbortController();
    const rule: NamedRule = {
      name: 'aborting',
      create: () => ({
        choose: () => {
          controller.abort(new Error('enough'));
          return modelId('qwen3.5-9b');
        },
      }),
    };
    const requests = generateRequests(plan, 1, 1);
    const profiles = new Map([...world.models].map(([id, model]) => [id, profileOf(model, undefined)]));
    const day = { world, policy, plan, requests, profiles, rule, climate: 'steady', seed: 1 } as const;
    await expect(simulateDay({ ...day, signal: controller.signal })).rejects.toThrow('enough');
  });
});

describe('profileOf', () => {
  it('gives the router the true quality at every task, with no prior weighed against it', () => {
    for (const model of world.models.values()) {
      const view = { profile: profileOf(model, 1) };
      for (const task of TASKS) expect(qualityOf(model.policy, view, task)).toBe(model.quality[task]);
    }
  });
});

describe('a lane under Poisson arrivals', () => {
  const DAYS = 2;
  // M/M/1: arrivals Poisson, service exponential, one server, first come first served. Mean time in system 1 / (mu - lambda).
  it('waits as the closed form of M/M/1 says', async () => {
    const perHour = 0.6 * 300;
    const single: WorkloadPlan = {
      name: 'mm1',
      startMinute: 0,
      durationMs: DAYS * 86_400_000,
      burstiness: 1,
      day: { peakMinute: 0, low: 1 },
      streams: [
        {
          class: 'route',
          perHour,
          stream: false,
          prompt: { median: 1, sigma: 0 },
          output: { median: 1, sigma: 0 },
          tasks: [{ task: 'qa', share: 1, length: 1 }],
        },
      ],
      batch: undefined,
    };
    // Exponential work of mean 12 s on a model that decodes a token in 1 / 5.54 s: the noise carries the distribution.
    const msPerToken = 1000 / 5.54;
    const requests = generateRequests(single, 1, 5).map((request) => ({
      ...request,
      promptTokens: 1,
      // One step: the first token comes out of the prefill.
      outputTokens: 2,
      noise: { prefill: 1e-9, decode: (-Math.log(1 - request.draw) * 12_000) / (msPerToken * (1 + 7.5e-5 * 2)) },
    }));
    // Without targets everybody has the same rank, and the queue is first come, first served.
    const untimed: Policy = {
      ...policy,
      gateway: { ...policy.gateway, queueDepthMax: 1_000_000 },
      classes: { ...policy.classes, route: { ...policy.classes.route, e2eMs: undefined } },
    };
    const { outcomes } = await simulate({
      rule: always(modelId('qwen3.5-2b')),
      requests,
      plan: single,
      policy: untimed,
    });
    const meanSec = outcomes.reduce((sum, { e2eMs }) => sum + e2eMs, 0) / outcomes.length / 1000;
    const workSec = requests.reduce((sum, { noise }) => sum + noise.decode * msPerToken, 0) / requests.length / 1000;
    const [lambda, mu] = [requests.length / (DAYS * 86_400), 1 / workSec];
    expect(outcomes.length).toBeGreaterThan(8_000);
    expect(meanSec / (1 / (mu - lambda))).toBeGreaterThan(0.93);
    expect(meanSec / (1 / (mu - lambda))).toBeLessThan(1.07);
  });
});

describe('the rules', () => {
  const qg = new Map<string, number>();
  beforeAll(async () => {
    for (const rule of chooseRules([], policy, plan)) {
      qg.set(rule.name, measureDay(await simulate({ rule }), 24).qg);
    }
  }, 60_000);

  it('none is better than the clairvoyant', () => {
    const best = qg.get(clairvoyant.name) ?? 0;
    expect([...qg].filter(([name, value]) => name !== clairvoyant.name && value >= best)).toEqual([]);
  });

  it('ours is better than every other that does not know the future', () => {
    const mine = qg.get('ours') ?? 0;
    const others = [...qg].filter(([name]) => name !== clairvoyant.name && name !== 'ours');
    expect(others.length).toBeGreaterThan(9);
    expect(others.filter(([, value]) => value >= mine)).toEqual([]);
  });
});
