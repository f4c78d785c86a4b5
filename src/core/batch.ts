import type { ModelId } from './ids.ts';

/** Endpoints whose requests a batch may hold; all lines of one batch are for the same. */
export const BATCH_ENDPOINTS = ['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses'] as const;
/** One of {@link BATCH_ENDPOINTS}. */
export type BatchEndpoint = (typeof BATCH_ENDPOINTS)[number];

/** States of a batch, as OpenAI names them. */
export const BATCH_STATUSES = [
  'validating',
  'failed',
  'in_progress',
  'finalizing',
  'completed',
  'expired',
  'cancelling',
  'cancelled',
] as const;
/**
 * One of {@link BATCH_STATUSES}:
 *
 *   validating ─┬─▶ in_progress ─┬─▶ finalizing ──▶ completed
 *               │                ├─▶ cancelling ──▶ cancelled      (what was done until then is in the output file)
 *               │                └─▶ finalizing ──▶ expired        (so it is when the deadline has passed)
 *               └─▶ failed                                        (lines that are wrong: nothing is run)
 */
export type BatchStatus = (typeof BATCH_STATUSES)[number];

/** True once nothing happens to a batch any more. */
export const isEnded = (status: BatchStatus): boolean =>
  status === 'failed' || status === 'completed' || status === 'expired' || status === 'cancelled';

/** When a batch may run: `policy` = in the windows of the policy, `now` = whenever the lanes let it, else windows. */
export type BatchWhen =
  | { readonly kind: 'policy' }
  | { readonly kind: 'now' }
  /** As written, e.g. `Mon-Fri 22:00-07:00 Europe/Berlin`; read by `policy/windows.ts`. */
  | { readonly kind: 'windows'; readonly text: string };

/** What was asked for with a batch. */
export type BatchRequest = {
  readonly endpoint: BatchEndpoint;
  readonly inputFile: string;
  /** As it came, e.g. `24h`. */
  readonly completionWindow: string;
  readonly metadata: Readonly<Record<string, string>> | undefined;
  /** Life of its output files from their creation, ms; undefined = the policy's. */
  readonly outputLifeMs: number | undefined;
  readonly when: BatchWhen;
  /** Wall clock by which it should be done, ms since 1970. */
  readonly deadlineMs: number;
  /** True where somebody named that deadline, false where it follows from the completion window alone. */
  readonly hasDeadline: boolean;
  /** The one model to use, by any of its names; undefined = the planner's choice. */
  readonly model: string | undefined;
  /** No model below this quality is used, 0..1. */
  readonly minQuality: number;
};

/** A line of the input that cannot be used. */
export type BatchFault = {
  readonly code: string;
  readonly message: string;
  readonly param: string | undefined;
  /** From 1; undefined = the file as a whole. */
  readonly line: number | undefined;
};

/** Tokens of all finished requests. */
export type BatchUsage = {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
};

/** Wall clock of each step, ms since 1970; absent until reached. */
export type BatchTimes = {
  readonly createdMs: number;
  readonly inProgressMs?: number;
  readonly finalizingMs?: number;
  readonly completedMs?: number;
  readonly failedMs?: number;
  readonly expiredMs?: number;
  readonly cancellingMs?: number;
  readonly cancelledMs?: number;
};

/** A batch as it stands. */
export type Batch = {
  readonly id: string;
  readonly client: string;
  readonly request: BatchRequest;
  readonly status: BatchStatus;
  readonly times: BatchTimes;
  readonly faults: readonly BatchFault[];
  readonly outputFile: string | undefined;
  readonly errorFile: string | undefined;
  readonly counts: JobCounts;
  readonly usage: BatchUsage;
  /** Engine time that was spent on work done again later, ms, and how often people's requests caused it. */
  readonly lostMs: number;
  readonly preempted: number;
  /** Why nothing is run although it is time, for people; undefined = nothing is in the way. */
  readonly paused: string | undefined;
};

/** How many jobs of a batch are in which state. `failed` ones are finished too: their line is in the error file. */
export type JobCounts = {
  readonly total: number;
  readonly done: number;
  readonly failed: number;
};

/** One line of a batch, as it is queued: where its text stands in the input file and what planning needs. */
export type NewJob = {
  /** From 1. */
  readonly line: number;
  readonly customId: string;
  /** Bytes from the start of the file, and of the line without its newline. */
  readonly offset: number;
  readonly length: number;
  /** UTF-16 units of all prompt text. */
  readonly promptChars: number;
  readonly messageCount: number;
  /** Bound on output tokens that the line gives. */
  readonly maxTokens: number | undefined;
  /** Id of the model that the line insists on; undefined = the planner's choice. */
  readonly model: string | undefined;
};

/** A job that somebody works on, until the lease runs out or it is given back. */
export type ClaimedJob = NewJob & {
  readonly batch: string;
  /** Proof of the claim; every later call names it. */
  readonly lease: string;
  /** Times it was begun, this one included. */
  readonly attempts: number;
  /** How often a child has died over it. */
  readonly crashes: number;
  /** Engine time of earlier attempts that had to be spent again, ms; what a killed gateway was at is not known. */
  readonly lostMs: number;
  /** What earlier attempts left behind, e.g. text that was generated before people came; undefined = nothing. */
  readonly partial: string | undefined;
};

/** How a job ended. */
export type JobResult = {
  /** `failed` lines go to the error file. */
  readonly state: 'done' | 'failed';
  readonly model: ModelId | undefined;
  /** The line of the output or error file, as JSON text. */
  readonly text: string;
  readonly usage: BatchUsage;
  /** Engine time in it that had been spent before, ms: a prompt that was read again; absent = none. */
  readonly lostMs?: number;
};

/** Why a job goes back into the queue. */
export type Returned = {
  /** A child died over it: counts towards the bound that makes it a poisoned one. */
  readonly crashed: boolean;
  /** Engine time that will have to be spent again, ms. */
  readonly lostMs: number;
  /** It made way for people. */
  readonly preempted: boolean;
  /** What a later attempt can go on with; undefined = nothing. */
  readonly partial: string | undefined;
};

/**
 * The queue of batch jobs. A job is claimed with a lease that has to be renewed: whoever dies while holding one loses it
 * when the lease runs out, and the job is claimed again. A result is accepted from the holder of the lease only and
 * together with the change of state, so that a job has exactly one result however often it was tried.
 *
 * All calls may reject with `disk_full` or `store_failed`; nothing has changed then.
 */
export interface JobQueue {
  /** Adds jobs of a batch; a line that is there already stays as it is. */
  enqueue(batch: string, jobs: readonly NewJob[]): Promise<void>;
  /**
   * The job of the batch with the lowest line, or exactly `line`, that waits or whose lease has run out; undefined where
   * there is none or the batch is paused. It belongs to the caller for `leaseMs`.
   */
  claim(batch: string, want: { readonly leaseMs: number; readonly line?: number }): Promise<ClaimedJob | undefined>;
  /** Makes the lease last `leaseMs` from now; false where it was lost, and the work with it. */
  renew(job: ClaimedJob, leaseMs: number): Promise<boolean>;
  /** Ends a job with its result; false where the lease was lost or the batch cancelled, and the result is dropped. */
  finish(job: ClaimedJob, result: JobResult): Promise<boolean>;
  /** Gives a job back to be claimed again; false where the lease was lost. */
  giveBack(job: ClaimedJob, why: Returned): Promise<boolean>;
  /** Ends all jobs that have not ended, also those under way, whose results are then dropped. Returns how many. */
  cancel(batch: string): Promise<number>;
  /** Nothing of the batch is claimed until `resume`; what is under way goes on. */
  pause(batch: string): Promise<void>;
  resume(batch: string): Promise<void>;
  /** Jobs nobody has ended, in the order of their lines, for planning: all of them, or `limit` after `afterLine`. */
  open(batch: string, page?: { readonly afterLine: number; readonly limit: number }): Promise<readonly OpenJob[]>;
  /** Ends all leases of a batch at once, for an owner who knows that nobody works on it. */
  reclaim(batch: string): Promise<void>;
  counts(batch: string): Promise<JobCounts>;
  /** Lines of results in the order of the input, `limit` of them from after `line`; for writing the files. */
  results(
    batch: string,
    page: { readonly state: JobResult['state']; readonly afterLine: number; readonly limit: number },
  ): Promise<readonly JobLine[]>;
  /** Forgets a batch's jobs. */
  forget(batch: string): Promise<void>;
}

/** A job that has not ended, as the planner sees it. */
export type OpenJob = Pick<NewJob, 'line' | 'customId' | 'promptChars' | 'messageCount' | 'maxTokens' | 'model'>;

/** One line of an output or error file. */
export type JobLine = { readonly line: number; readonly text: string };
