import { classify } from '../classify/classify.ts';
import { MODEL_CLASSES, type ModelClass } from '../core/classes.ts';
import type { Decision, Prediction, Workload } from '../core/decision.ts';
import type { ModelId } from '../core/ids.ts';
import type { Policy } from '../core/policy.ts';
import type { Profile } from '../core/profile.ts';
import { decodeMsOf, prefillMsOf } from '../core/service-model.ts';
import type { Snapshot, WindowView } from '../core/snapshot.ts';
import { createLearner, type Learner } from '../learn/learner.ts';
import { windowState } from '../policy/window.ts';
import { decide } from '../route/decide.ts';
import { createLanes, type Lanes, type LaneTicket } from '../supervise/lane.ts';
import { BatchRun } from './batch-run.ts';
import { createDraws } from './draws.ts';
import { type Climate, createHeat, type Heat } from './heat.ts';
import { createMachine, type Machine } from './machine.ts';
import type { Choice, NamedRule, RoutingRule } from './rules/rule.ts';
import { factsOf } from './simulated-facts.ts';
import { createSimulatedTime, type SimulatedTime } from './simulated-time.ts';
import type { SimulatedRequest, WorkloadPlan } from './workload.ts';
import type { SimulatedModel, World } from './world.ts';

/**
 * One simulated day under one rule. The gateway's own modules do the work:
 *
 *   arrival ─▶ classify ─▶ snapshot ─▶ rule (ours: decide) ─▶ lanes ─▶ machine (eviction) ─▶ prefill ─▶ decode ─▶ end
 *                             ▲                                                                              │
 *                             └─────────────────────────── learner ◀───────────────────────────────────────┘
 *
 * Simulated are the clock, the children's memory and speed, heat, and the requests. Each arrival ends exactly once, as
 * finished or refused.
 */
export type Day = {
  readonly world: World;
  readonly policy: Policy;
  readonly plan: WorkloadPlan;
  readonly requests: readonly SimulatedRequest[];
  /** What routers are told of the models, right or wrong. */
  readonly profiles: ReadonlyMap<ModelId, Profile>;
  readonly rule: NamedRule;
  readonly climate: Climate;
  readonly seed: number;
  /** Wall clock at the beginning; default: a Monday in summer, at the plan's minute. */
  readonly startMs?: number;
  readonly signal?: AbortSignal | undefined;
};

/** What became of one request. Times in ms from its arrival (a batch item's: from its start). */
export type DayOutcome = {
  readonly request: SimulatedRequest;
  readonly class: ModelClass;
  readonly model: ModelId | undefined;
  readonly kind: 'finished' | 'refused';
  readonly ttftMs: number;
  readonly e2eMs: number;
  /** All targets met; for a batch item: ended before the batch's deadline. */
  readonly met: boolean;
  /** True quality of the answer, 0..1. */
  readonly quality: number;
  readonly predicted: Prediction | undefined;
  readonly degraded: boolean;
};

/** A day's outcomes in the order they ended, and what the machine did meanwhile. */
export type DayResult = {
  readonly outcomes: readonly DayOutcome[];
  readonly swaps: number;
  /** Share of the day each device worked. */
  readonly utilisation: Readonly<Record<string, number>>;
};

/** Monday noon in summer: no change of daylight saving near. */
const DAY_START_MS = Date.UTC(2026, 5, 1);

/** Runs the day; throws the signal's reason on abort. */
export async function simulateDay(day: Day): Promise<DayResult> {
  const run = new DayRun(day);
  await run.run();
  return run.result();
}

class DayRun {
  readonly #day: Day;
  readonly #startMs: number;
  readonly #time: SimulatedTime;
  readonly #lanes: Lanes;
  readonly #machine: Machine;
  readonly #learner: Learner = createLearner();
  readonly #heat: Heat;
  readonly #rule: RoutingRule;
  readonly #batch: BatchRun | undefined;
  readonly #outcomes: DayOutcome[] = [];
  readonly #busyMs: Record<string, number> = {};

  constructor(day: Day) {
    this.#day = day;
    this.#startMs = day.startMs ?? DAY_START_MS + day.plan.startMinute * 60_000;
    this.#time = createSimulatedTime(this.#startMs);
    this.#lanes = createLanes({ clock: this.#time });
    this.#lanes.configure(day.policy.devices.values(), day.policy.gateway.queueDepthMax);
    this.#machine = createMachine(day.world, day.profiles, this.#time);
    this.#heat = createHeat(() => this.#time.monotonicMs(), day.climate);
    this.#rule = day.rule.create({
      world: day.world,
      policy: day.policy,
      draws: createDraws(day.seed, `rule ${day.rule.name}`),
    });
    if (day.plan.batch !== undefined) {
      this.#batch = new BatchRun({
        plan: day.plan,
        window: day.policy.classes.batch.window,
        time: this.#time,
        startMs: this.#startMs,
        start: (request, budgetMs) => this.#arrive(request, budgetMs),
      });
    }
  }

  async run(): Promise<void> {
    for (const request of this.#day.requests) {
      this.#time.at(this.#startMs + request.atMs, () => {
        if (isBatchItem(request)) this.#batch?.add(request);
        else this.#arrive(request, undefined);
      });
    }
    await this.#time.run(this.#day.signal);
    for (const request of this.#batch?.left() ?? []) this.#refuse(request);
  }

  result(): DayResult {
    const utilisation: Record<string, number> = {};
    for (const device of this.#day.policy.devices.keys()) {
      utilisation[device] = (this.#busyMs[device] ?? 0) / this.#day.plan.durationMs;
    }
    return { outcomes: this.#outcomes, swaps: this.#machine.swaps, utilisation };
  }

  #arrive(request: SimulatedRequest, budgetMs: number | undefined): void {
    const { policy, world } = this.#day;
    const { recorded } = request;
    const classification = classify(recorded?.facts ?? factsOf(request, budgetMs), policy, recorded?.client);
    if (classification.kind === 'invalid') {
      if (recorded === undefined) throw new Error(`the simulation asked wrongly: ${classification.message}`);
      // A request of the past may name a model that this policy does not have any more.
      this.#refuse(request);
      return;
    }
    const workload: Workload = { ...classification.workload, draw: request.draw };
    const truth = { request, world, slowdown: this.#heat.slowdown() };
    const choice: Choice = { workload, snapshot: this.#snapshot(), policy, truth };
    const chosen = this.#rule.choose(choice);
    const decision: Decision =
      typeof chosen === 'string' ? decide({ ...workload, pinnedModel: chosen }, choice.snapshot, policy) : chosen;
    if (decision.kind === 'refused') {
      this.#refuse(request);
      return;
    }
    const model = world.models.get(decision.model);
    if (model === undefined) throw new Error(`the simulated board has no model ${decision.model}`);
    this.#admit({ request, workload, decision, model, arrivedMs: this.#time.nowMs(), choice });
  }

  #snapshot(): Snapshot {
    const nowMs = this.#time.nowMs();
    const windows = new Map<ModelClass, WindowView>();
    for (const name of MODEL_CLASSES) {
      const { window } = this.#day.policy.classes[name];
      if (window !== undefined) windows.set(name, windowState(window, nowMs));
    }
    return {
      nowMs,
      models: this.#machine.views(),
      lanes: this.#lanes.views(),
      memory: this.#machine.memory(),
      windows,
      knowledge: this.#learner.knowledge,
      recentSwaps: this.#machine.recentSwaps(),
    };
  }

  #admit(run: Run): void {
    const { workload, decision, arrivedMs, model, choice } = run;
    const { predicted } = decision;
    const admission = {
      device: decision.device,
      class: workload.class,
      model: decision.model,
      arrivedMs,
      deadlineMs: arrivedMs + (workload.slo.e2eMs ?? Number.POSITIVE_INFINITY),
      slots: 1,
      predictedMs:
        this.#rule.workMs?.(choice, model.policy.id) ?? predicted.loadMs + predicted.prefillMs + predicted.decodeMs,
    };
    const ticket = this.#lanes.tryAdmit(admission);
    if (ticket !== undefined) {
      this.#load(run, ticket);
      return;
    }
    this.#time.settle();
    this.#lanes.admit(admission, new AbortController().signal).then(
      (late) => this.#load(run, late),
      // The bound of the queue is the only thing that refuses here; what else could fail would be a mistake of ours.
      () => this.#refuse(run.request),
    );
  }

  #load(run: Run, ticket: LaneTicket): void {
    this.#machine.acquire(run.decision.model, () => this.#prefill(run, ticket));
  }

  #prefill(run: Run, ticket: LaneTicket): void {
    const { request, model } = run;
    this.#heat.setBusy(model.device, true);
    const beganMs = this.#time.nowMs();
    const prefillMs = this.#heat.durationMs(prefillMsOf(model.service, request.promptTokens) * request.noise.prefill);
    this.#time.after(prefillMs, () => {
      const work = decodeMsOf(model.service, request.promptTokens, request.outputTokens) * request.noise.decode;
      const decodeMs = this.#heat.durationMs(work);
      ticket.update(this.#rule.workMs === undefined ? run.decision.predicted.decodeMs : decodeMs);
      const firstTokenMs = this.#time.nowMs();
      this.#time.after(decodeMs, () => this.#finish(run, { ticket, beganMs, firstTokenMs, prefillMs, decodeMs }));
    });
  }

  #finish(run: Run, phases: Phases): void {
    const { request, model, arrivedMs, workload, decision } = run;
    const nowMs = this.#time.nowMs();
    const { device } = model;
    this.#busyMs[device] = (this.#busyMs[device] ?? 0) + nowMs - phases.beganMs;
    this.#heat.setBusy(device, false);
    const [ttftMs, e2eMs] = [phases.firstTokenMs - arrivedMs, nowMs - arrivedMs];
    const { slo } = workload;
    const inTime =
      ttftMs <= (slo.ttftMs ?? Number.POSITIVE_INFINITY) && e2eMs <= (slo.e2eMs ?? Number.POSITIVE_INFINITY);
    this.#outcomes.push({
      request,
      class: workload.class,
      model: decision.model,
      kind: 'finished',
      ttftMs,
      e2eMs,
      met: isBatchItem(request) ? nowMs <= (this.#batch?.deadlineMs ?? nowMs) : inTime,
      quality: model.quality[request.task],
      predicted: decision.predicted,
      degraded: decision.degraded,
    });
    this.#learn(run, { ...phases, ttftMs, e2eMs });
    this.#machine.release(decision.model);
    phases.ticket.release();
    this.#time.settle();
    if (isBatchItem(request)) this.#batch?.next();
  }

  #learn({ request, model, decision }: Run, actual: Phases & { ttftMs: number; e2eMs: number }): void {
    const { predicted } = decision;
    const nowMs = this.#time.nowMs();
    this.#rule.finished?.({
      model: decision.model,
      stream: request.stream,
      outputTokens: request.outputTokens,
      ttftMs: actual.ttftMs,
      e2eMs: actual.e2eMs,
      nowMs,
    });
    this.#learner.observe({
      nowMs,
      device: model.device,
      model: decision.model,
      key: predicted.outputKey,
      service: predicted.service,
      promptTokens: request.promptTokens,
      cachedTokens: 0,
      outputTokens: request.outputTokens,
      prefillMs: actual.prefillMs,
      decodeMs: actual.decodeMs,
      endedByItself: true,
      quantile: predicted.quantile,
      promisedTtftMs: predicted.uncorrectedTtftMs,
      promisedE2eMs: predicted.uncorrectedE2eMs,
      actualTtftMs: actual.ttftMs,
      actualE2eMs: actual.e2eMs,
      disturbed: false,
    });
  }

  #refuse(request: SimulatedRequest): void {
    const none = { model: undefined, predicted: undefined, ttftMs: Number.NaN, e2eMs: Number.NaN };
    this.#outcomes.push({
      request,
      class: request.class,
      ...none,
      kind: 'refused',
      met: false,
      quality: 0,
      degraded: false,
    });
    if (isBatchItem(request)) this.#batch?.next();
  }
}

// A request of the past that was of class batch came alone, as it comes again.
const isBatchItem = (request: SimulatedRequest): boolean => request.class === 'batch' && request.recorded === undefined;

type Run = {
  readonly request: SimulatedRequest;
  readonly workload: Workload;
  readonly decision: Extract<Decision, { kind: 'chosen' }>;
  readonly model: SimulatedModel;
  readonly arrivedMs: number;
  readonly choice: Choice;
};

type Phases = {
  readonly ticket: LaneTicket;
  readonly beganMs: number;
  readonly firstTokenMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
};
