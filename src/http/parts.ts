import type { Batches } from '../batch/batches.ts';
import type { Files } from '../batch/files.ts';
import type { Clock } from '../core/clock.ts';
import type { EmitEvent, GatewayEvent, RequestRecord } from '../core/events.ts';
import type { ModelId, RequestId } from '../core/ids.ts';
import type { Policy } from '../core/policy.ts';
import type { Profile } from '../core/profile.ts';
import type { Snapshot } from '../core/snapshot.ts';
import type { UsageRow } from '../core/usage.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { BatchOutlook } from '../serve/batch/outlook.ts';
import type { Classifier } from '../serve/classifier.ts';
import type { ClientLimits } from '../serve/client-limits.ts';
import type { ClientUsage } from '../serve/client-usage.ts';
import type { Drain } from '../serve/drain.ts';
import type { IdleBenchStatus } from '../serve/idle-bench.ts';
import type { ServeParts } from '../serve/job.ts';
import type { PromptKnowledge } from '../serve/prompt-knowledge.ts';
import type { Supervisor } from '../supervise/supervisor-types.ts';
import type { PolicyHistory } from '../transport/policy-source.ts';
import type { Authenticate } from './authenticate.ts';
import type { Idempotency } from './idempotency.ts';
import type { OpenAnswers } from './open-answers.ts';

/** What the endpoints need of the gateway; the composition root makes it. */
export type HttpParts = {
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly version: string;
  readonly metrics: Pick<Metrics, 'text'>;
  readonly policy: () => Policy;
  readonly policyError: () => string | undefined;
  /** The policy's text, what it replaced, and what stands in the file where that is not in force. */
  readonly policyHistory: () => PolicyHistory;
  /** What the doctor finds; it looks anew each time, which takes a moment. */
  readonly examine: () => Promise<readonly MachineFinding[]>;
  readonly authenticate: () => Authenticate;
  readonly limits: ClientLimits;
  /** What clients use up today, and what was saved from the day named on, newest first. */
  readonly usage: ClientUsage;
  readonly usageSince: (day: string) => readonly UsageRow[];
  readonly snapshot: () => Snapshot;
  readonly serve: ServeParts;
  /** Token counts of prompts, known or to be had from a child. */
  readonly prompts: Pick<PromptKnowledge, 'recall' | 'spreadOf' | 'count'>;
  readonly supervisor: Supervisor;
  /** Who guesses task and class before a request is classified. */
  readonly classifier: Classifier;
  readonly answers: OpenAnswers;
  readonly idempotency: Idempotency;
  readonly profileOf: (model: ModelId) => Profile;
  /** True where the decision on a request would be kept with it now: not above ten a second. */
  readonly keepsDecision: () => boolean;
  /** Newest first; with an id, that request alone. */
  readonly recentRequests: (limit: number, requestId?: RequestId) => readonly RequestRecord[];
  /** True where no new work is taken, because of an operator's wish or because the gateway stops. */
  readonly isDraining: () => boolean;
  /** Aborted when the gateway begins to stop, for answers that have no end of their own. */
  readonly stopping: AbortSignal;
  readonly drain: Drain;
  /** True until the models have been looked at for the first time; `started` resolves then. */
  readonly isStarting: () => boolean;
  readonly started: () => Promise<void>;
  readonly subscribe: (listener: (event: GatewayEvent) => void) => () => void;
  readonly startedAtMs: number;
  /** Clients' files and batches; the end of one that has ended; what may be expected of one that has not. */
  readonly files: Files;
  readonly batches: Batches;
  readonly removeBatch: (client: string, id: string) => Promise<void>;
  readonly batchOutlook: (id: string) => BatchOutlook | undefined;
  /** What is measured while nobody asks. */
  readonly idleBench: () => IdleBenchStatus;
  /** There where a simulated board is served. */
  readonly simulation: Simulation | undefined;
};

/** What the doctor says of one thing. */
export type MachineFinding = {
  readonly id: string;
  readonly severity: 'ok' | 'info' | 'warn' | 'error';
  readonly title: string;
  readonly measured: string;
  readonly why: string;
  readonly remedy: string;
};

/** A board that is simulated, for whoever asks what this is. */
export type Simulation = {
  readonly board: string;
  /** How many times as fast as on the board everything goes. */
  readonly speed: number;
  /** The policy that is served as if on the board. */
  readonly policyFile: string;
};
