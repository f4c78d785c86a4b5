import type { Clock } from '../core/clock.ts';
import type { EmitEvent, GatewayEvent, RequestRecord } from '../core/events.ts';
import type { ModelId } from '../core/ids.ts';
import type { Policy } from '../core/policy.ts';
import type { Profile } from '../core/profile.ts';
import type { Snapshot } from '../core/snapshot.ts';
import type { Classifier } from '../serve/classifier.ts';
import type { ClientLimits } from '../serve/client-limits.ts';
import type { ServeParts } from '../serve/job.ts';
import type { PromptKnowledge } from '../serve/prompt-knowledge.ts';
import type { Supervisor } from '../supervise/supervisor-types.ts';
import type { Authenticate } from './authenticate.ts';
import type { OpenAnswers } from './open-answers.ts';

/** What the endpoints need of the gateway; the composition root makes it. */
export type HttpParts = {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly version: string;
  readonly policy: () => Policy;
  readonly policyError: () => string | undefined;
  readonly authenticate: () => Authenticate;
  readonly limits: ClientLimits;
  readonly snapshot: () => Snapshot;
  readonly serve: ServeParts;
  /** Token counts of prompts, known or to be had from a child. */
  readonly prompts: Pick<PromptKnowledge, 'recall' | 'spreadOf' | 'count'>;
  readonly supervisor: Supervisor;
  /** Who guesses task and class before a request is classified. */
  readonly classifier: Classifier;
  readonly answers: OpenAnswers;
  readonly profileOf: (model: ModelId) => Profile;
  /** Newest first. */
  readonly recentRequests: (limit: number) => readonly RequestRecord[];
  readonly isDraining: () => boolean;
  /** True until the models have been looked at for the first time; `started` resolves then. */
  readonly isStarting: () => boolean;
  readonly started: () => Promise<void>;
  readonly subscribe: (listener: (event: GatewayEvent) => void) => () => void;
  readonly startedAtMs: number;
};
