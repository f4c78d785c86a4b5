import type { Clock } from '../core/clock.ts';
import type { EmitEvent } from '../core/events.ts';
import type { ModelId } from '../core/ids.ts';
import type { Policy } from '../core/policy.ts';
import type { Learner } from '../learn/learner.ts';
import type { Profiles } from '../store/profiles.ts';
import type { Lanes } from '../supervise/lane.ts';
import type { Supervisor } from '../supervise/supervisor-types.ts';
import type { ForeignLoad } from '../transport/foreign-load.ts';
import type { ServeParts } from './job.ts';
import { createLoopGuard } from './loop-guard.ts';
import { observeRun } from './observe-run.ts';
import type { PromptKnowledge } from './prompt-knowledge.ts';

/** What the parts of a gateway are that runs work with. */
export type ServeSources = {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly lanes: Lanes;
  readonly supervisor: Supervisor;
  readonly prompts: PromptKnowledge;
  readonly profiles: Pick<Profiles, 'observe'>;
  readonly learner: Learner;
  readonly foreignLoad: Pick<ForeignLoad, 'disturbedSince'>;
  readonly policy: () => Policy;
};

/** Puts together what a run needs, see {@link ServeParts}. */
export function createServeParts(sources: ServeSources): ServeParts {
  const { clock, emit, lanes, supervisor, prompts, profiles, learner, foreignLoad, policy } = sources;
  return {
    clock,
    emit,
    lanes,
    knowledge: learner.knowledge,
    supervisor,
    prompts,
    placeOf: (id) => {
      const view = supervisor.views().get(id);
      const { ubatch } = policy().models.get(id)?.settings ?? {};
      const { contextTokens } = view?.facts ?? {};
      return { device: deviceOf(id, policy()), slots: view?.parallel ?? 1, ubatch, contextTokens };
    },
    guard: createLoopGuard({ isOn: () => policy().gateway.streamGuard === 'stop', emit }),
    promptRead: (id, { promptTokens, promptChars, messageCount, prefillMs }) => {
      const model = policy().models.get(id);
      if (model === undefined || promptTokens === undefined) return;
      profiles.observe(model, { promptTokens, promptChars, messageCount, prefillMs });
    },
    observe: (id, record) => {
      const model = policy().models.get(id);
      if (model === undefined) return;
      const { e2eMs = 0, queueMs = 0 } = record.actual;
      const disturbed = foreignLoad.disturbedSince(clock.monotonicMs() - e2eMs + queueMs);
      const device = deviceOf(id, policy());
      observeRun({ profiles, learner, device, nowMs: clock.nowMs(), disturbed }, model, record);
    },
  };
}

/** The device a model runs on; empty for a model the policy does not name. */
export function deviceOf(id: ModelId, policy: Policy): string {
  const runtime = policy.models.get(id)?.runtime;
  return runtime === undefined ? '' : (policy.runtimes.get(runtime)?.device ?? '');
}
