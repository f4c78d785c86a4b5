import type { ModelId } from '../../core/ids.ts';
import { decodeMsOf, prefillMsOf } from '../../core/service-model.ts';
import { laneWaitMs } from '../../route/lane-wait.ts';
import { assessMemory } from '../../route/memory.ts';
import { type Choice, modelsFor, type NamedRule } from './rule.ts';

/**
 * Greedy with the truth: knows every request's answer length, the noise and heat of every run and what is left of those
 * ahead, and takes the best quality that meets the targets. A request nobody can save goes where it harms the others
 * least. Not the best schedule there could be (that would look ahead at arrivals), but more than any router can know.
 */
export const clairvoyant: NamedRule = {
  name: 'clairvoyant',
  create: () => ({ choose: chooseKnowingly, workMs: (choice, model) => workOf(choice, model).totalMs }),
};

function chooseKnowingly(choice: Choice): ModelId {
  const seen = modelsFor(choice.policy, choice.workload.class).flatMap((id) => look(choice, id) ?? []);
  const saving = seen.filter(({ meets }) => meets).sort((a, b) => b.quality - a.quality || a.workMs - b.workMs);
  const chosen = saving[0] ?? seen.sort((a, b) => a.harmMs - b.harmMs)[0];
  if (chosen === undefined) throw new Error(`no model of the policy serves class ${choice.workload.class}`);
  return chosen.id;
}

type Seen = {
  readonly id: ModelId;
  readonly quality: number;
  readonly meets: boolean;
  readonly workMs: number;
  /** Work put before those that wait on its device. */
  readonly harmMs: number;
};

function look(choice: Choice, id: ModelId): Seen | undefined {
  const { workload, snapshot, truth } = choice;
  const model = truth.world.models.get(id);
  const view = snapshot.models.get(id);
  const lane = model === undefined ? undefined : snapshot.lanes.get(model.device);
  if (model === undefined || view === undefined || lane === undefined) return undefined;
  const memory = assessMemory(id, view, snapshot);
  if (memory.kind === 'never') return undefined;
  const { ttftMs = Number.POSITIVE_INFINITY, e2eMs = Number.POSITIVE_INFINITY } = workload.slo;
  const { nowMs } = snapshot;
  const newcomer = { class: workload.class, arrivedMs: nowMs, deadlineMs: nowMs + e2eMs };
  const { loadMs, prefillMs, totalMs } = workOf(choice, id);
  const waitMs = Math.max(laneWaitMs(lane, newcomer, nowMs), memory.kind === 'waits' ? memory.waitMs : 0);
  return {
    id,
    quality: model.quality[truth.request.task],
    meets: waitMs + loadMs + prefillMs <= ttftMs && waitMs + totalMs <= e2eMs,
    workMs: totalMs,
    harmMs: totalMs * (1 + lane.running.length + lane.waiting.length),
  };
}

function workOf({ snapshot, truth }: Choice, id: ModelId) {
  const { request, world, slowdown } = truth;
  const model = world.models.get(id);
  if (model === undefined) throw new Error(`the simulated board has no model ${id}`);
  const residency = snapshot.models.get(id)?.residency;
  const isLoaded = residency?.kind === 'ready' || residency?.kind === 'busy';
  const loadMs = isLoaded ? 0 : residency?.kind === 'starting' ? residency.remainingMs : model.service.loadMs;
  const prefillMs = prefillMsOf(model.service, request.promptTokens) * request.noise.prefill * slowdown;
  const decodeMs =
    decodeMsOf(model.service, request.promptTokens, request.outputTokens) * request.noise.decode * slowdown;
  return { loadMs, prefillMs, totalMs: loadMs + prefillMs + decodeMs };
}
