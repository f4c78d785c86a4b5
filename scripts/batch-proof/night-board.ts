import { GatewayError } from '../../src/core/errors.ts';
import type { GatewayEvent } from '../../src/core/events.ts';
import { modelId } from '../../src/core/ids.ts';
import type { Profile } from '../../src/core/profile.ts';
import { decodeMsOf, prefillMsOf } from '../../src/core/service-model.ts';
import type { Snapshot } from '../../src/core/snapshot.ts';
import type { Learner } from '../../src/learn/learner.ts';
import { familyOf } from '../../src/route/service.ts';
import type { Item, ItemEnd, RunningItem } from '../../src/serve/batch/item.ts';
import { type PeopleWatch, watchPeople } from '../../src/serve/batch/people.ts';
import { createDraws } from '../../src/simulate/draws.ts';
import { createHeat, type Heat } from '../../src/simulate/heat.ts';
import { createMachine, type Machine } from '../../src/simulate/machine.ts';
import type { SimulatedTime } from '../../src/simulate/simulated-time.ts';
import type { SimulatedModel, World } from '../../src/simulate/world.ts';
import { NO_USAGE } from '../../src/store/job-queue.ts';
import type { NightBoard } from './night-desk.ts';
import { createNightLane, type NightLane } from './night-lane.ts';

/** What a night on the board is like. */
export type NightWeather = {
  readonly world: World;
  readonly profiles: ReadonlyMap<SimulatedModel['policy']['id'], Profile>;
  readonly learner: Learner;
  readonly seed: number;
  /** Middle of the lengths of this batch's answers, tokens. */
  readonly outputMedian: number;
  /** Everything takes this many times as long tonight. */
  readonly slowness: number;
  /** When people ask, ms since 1970, and how long their answers are, tokens. */
  readonly people: readonly { readonly atMs: number; readonly tokens: number }[];
  /** Another program wants the processor. */
  readonly foreign: { readonly fromMs: number; readonly toMs: number } | undefined;
  /** Called when somebody has been answered. */
  readonly onAnswered?: () => void;
};

/** Spread of answer lengths within a batch, as the routing study simulated it. */
const OUTPUT_SIGMA = 0.8;
const CHARS_PER_TOKEN = 3.6;
const PEOPLE_MODEL = modelId('qwen3.5-4b');
const PEOPLE_PROMPT_TOKENS = 400;
/** Spread of service times of repeated runs, as in `sluice simulate`. */
const NOISE_SIGMA = 0.08;

/** A board under a simulated clock: models, memory, heat, people; items take their true time on it. */
export class SimulatedNightBoard implements NightBoard {
  readonly #time: SimulatedTime;
  readonly #weather: NightWeather;
  readonly #machine: Machine;
  readonly #heat: Heat;
  readonly #lanes = new Map<string, NightLane>();
  readonly #people: PeopleWatch;
  #tell: (event: GatewayEvent) => void = () => undefined;

  constructor(time: SimulatedTime, weather: NightWeather) {
    this.#time = time;
    this.#weather = weather;
    this.#machine = createMachine(weather.world, weather.profiles, time);
    this.#heat = createHeat(() => time.monotonicMs(), 'steady');
    const subscribe = (listener: (event: GatewayEvent) => void) => {
      this.#tell = listener;
      return () => undefined;
    };
    this.#people = watchPeople(time, { subscribe }, { views: () => this.#laneViews() });
    for (const { atMs, tokens } of weather.people) time.at(atMs, () => this.#person(tokens));
  }

  readonly snapshot = () => ({
    nowMs: this.#time.nowMs(),
    models: this.#machine.views(),
    lanes: this.#laneViews(),
    memory: this.#machine.memory(),
    windows: new Map(),
    knowledge: this.#weather.learner.knowledge,
    recentSwaps: this.#machine.recentSwaps(),
  });

  readonly quietMs = () => this.#people.quietMs();
  readonly usualGapMs = () => this.#people.usualGapMs();

  readonly foreignShare = () => {
    const { foreign } = this.#weather;
    const nowMs = this.#time.nowMs();
    return foreign !== undefined && nowMs >= foreign.fromMs && nowMs < foreign.toMs ? 0.9 : 0;
  };

  readonly run = (_: unknown, { job, model: id }: Item): RunningItem => {
    const model = this.#weather.world.models.get(id);
    if (model === undefined) throw new Error(`the simulated board has no model ${id}`);
    const draws = createDraws(this.#weather.seed, `line ${job.line}`);
    const tokens = Math.max(1, Math.round(draws.logNormal(this.#weather.outputMedian, OUTPUT_SIGMA)));
    // What was generated goes on with the model that generated it.
    const [partialModel, done] = (job.partial ?? '').split(' ');
    const held = partialModel === id ? Number(done) : 0;
    const promptTokens = Math.ceil(job.promptChars / CHARS_PER_TOKEN) + 5;
    return this.#attempt(model, { customId: job.customId, tokens, held, promptTokens });
  };

  #attempt(model: SimulatedModel, work: Work): RunningItem {
    const lane = this.#lane(model.device);
    let end: (end: ItemEnd) => void = () => undefined;
    const ended = new Promise<ItemEnd>((resolve) => {
      end = (how) => {
        resolve(how);
        this.#time.settle();
      };
    });
    let isOver = false;
    let timing: (Times & { readonly startMs: number }) | undefined;
    const makeWay = () => {
      isOver = true;
      if (timing !== undefined) this.#machine.release(model.policy.id);
      end({ kind: 'preempted', ...leftOf(model, work, { timing, nowMs: this.#time.nowMs() }) });
    };
    lane.item(() => {
      this.#machine.acquire(model.policy.id, () => {
        if (isOver) {
          this.#machine.release(model.policy.id);
          return;
        }
        timing = { ...this.#timesOf(model, work), startMs: this.#time.nowMs() };
        this.#heat.setBusy(model.device, true);
        this.#time.after(timing.prefillMs + timing.decodeMs, () => {
          if (isOver) return;
          isOver = true;
          this.#heat.setBusy(model.device, false);
          this.#machine.release(model.policy.id);
          if (timing !== undefined && work.held === 0) this.#learn(model, work, timing);
          lane.free();
          end({ kind: 'done', text: JSON.stringify({ custom_id: work.customId }), usage: NO_USAGE, lostMs: 0 });
        });
      });
    }, makeWay);
    const stop = () => {
      if (isOver) return;
      makeWay();
      end({ kind: 'later', error: new GatewayError('shutting_down', 'stopped') });
    };
    return { end: ended, stop };
  }

  #timesOf({ service }: SimulatedModel, { promptTokens, tokens, held }: Work): Times {
    const { slowness, seed } = this.#weather;
    const noise = createDraws(seed, `noise ${this.#time.nowMs()}`);
    const factor = () => slowness * noise.logNormal(1, NOISE_SIGMA);
    const prefillMs = this.#heat.durationMs(prefillMsOf(service, promptTokens) * factor());
    const decodeMs = this.#heat.durationMs(decodeMsOf(service, promptTokens + held, tokens - held) * factor());
    return { prefillMs, decodeMs };
  }

  #learn(model: SimulatedModel, { promptTokens, tokens }: Work, { prefillMs, decodeMs }: Times): void {
    const family = familyOf(model.policy);
    this.#weather.learner.observe({
      nowMs: this.#time.nowMs(),
      ...{ device: model.device, model: model.policy.id, service: model.service, promptTokens, prefillMs, decodeMs },
      key: { class: 'batch', task: 'chat', family, thinking: false },
      ...{ cachedTokens: 0, outputTokens: tokens, endedByItself: true, quantile: 0.5, disturbed: false },
      ...{ promisedTtftMs: undefined, promisedE2eMs: undefined, actualTtftMs: undefined, actualE2eMs: undefined },
    });
  }

  #person(tokens: number): void {
    const lane = this.#lane('cpu');
    const service = this.#weather.world.models.get(PEOPLE_MODEL)?.service;
    if (service === undefined) throw new Error(`the simulated board has no model ${PEOPLE_MODEL}`);
    lane.people(() => {
      this.#machine.acquire(PEOPLE_MODEL, () => {
        const workMs = prefillMsOf(service, PEOPLE_PROMPT_TOKENS) + decodeMsOf(service, PEOPLE_PROMPT_TOKENS, tokens);
        this.#time.after(workMs, () => {
          this.#machine.release(PEOPLE_MODEL);
          lane.free();
          this.#tell({ kind: 'request.finished', record: { class: 'interactive' } } as GatewayEvent);
          this.#weather.onAnswered?.();
          this.#time.settle();
        });
      });
    });
    this.#time.settle();
  }

  // A lane that people have or wait for; whose they are is all that is asked.
  #laneViews(): Snapshot['lanes'] {
    if (!this.#lane('cpu').hasPeople()) return new Map();
    return new Map([['cpu', { running: [{ class: 'interactive' }], waiting: [] }]]) as unknown as Snapshot['lanes'];
  }

  #lane(device: string): NightLane {
    let lane = this.#lanes.get(device);
    if (lane === undefined) {
      lane = createNightLane();
      this.#lanes.set(device, lane);
    }
    return lane;
  }
}

type Work = {
  readonly customId: string;
  readonly tokens: number;
  readonly held: number;
  readonly promptTokens: number;
};
type Times = { readonly prefillMs: number; readonly decodeMs: number };

// What an attempt that is interrupted leaves: tokens stay, the prompt has to be read again.
function leftOf(
  model: SimulatedModel,
  { tokens, held }: Work,
  { timing, nowMs }: { readonly timing: (Times & { readonly startMs: number }) | undefined; readonly nowMs: number },
): { readonly lostMs: number; readonly partial: string | undefined } {
  const before = held === 0 ? undefined : `${model.policy.id} ${held}`;
  if (timing === undefined) return { lostMs: 0, partial: before };
  const { startMs, prefillMs, decodeMs } = timing;
  const decodedMs = nowMs - startMs - prefillMs;
  if (decodedMs <= 0) return { lostMs: nowMs - startMs, partial: before };
  const more = Math.floor(((tokens - held) * decodedMs) / decodeMs);
  return { lostMs: prefillMs, partial: `${model.policy.id} ${Math.min(tokens - 1, held + more)}` };
}
