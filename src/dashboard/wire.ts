// What the gateway's API answers, as far as it is shown here; docs/api.md and /openapi.json describe the whole.

/** How sure a figure is, most trusted first: `core/profile.ts` says what each word means. */
export type Provenance = 'measured' | 'observed' | 'imported' | 'reference' | 'estimated';

/** Something that runs or waits in a lane. */
export type LaneEntry = { readonly class: string; readonly model: string; readonly remaining_ms: number };

/** A device's queue. */
export type Lane = {
  readonly device: string;
  readonly lanes: number;
  readonly running: readonly LaneEntry[];
  readonly waiting: readonly LaneEntry[];
};

/** A model with its child. */
export type Model = {
  readonly id: string;
  readonly device?: string;
  readonly simulated: boolean;
  readonly quality: number;
  readonly availability: { readonly kind: string; readonly reason?: string; readonly remedy?: string };
  readonly state: { readonly kind: string; readonly reason?: string };
  readonly running: number;
  readonly parallel: number;
  readonly restarts: number;
  readonly rss_bytes: number | null;
  readonly memory_bytes: number | null;
  readonly last_load_ms: number | null;
  readonly verdict: Verdict | null;
  readonly stale: readonly string[];
  readonly quarantined: string | null;
};

/** What a model is good for here. */
export type Verdict = {
  readonly verdict: string;
  readonly why: string;
  readonly basis: Provenance;
  readonly provisional: boolean;
};

/** `GET /router/status`. */
export type Status = {
  readonly version: string;
  readonly uptime_s: number;
  readonly state: string;
  readonly simulated: { readonly board: string; readonly speed: number } | null;
  readonly policy: { readonly file: string; readonly revision: string; readonly error: string | null };
  readonly memory: {
    readonly budget_bytes: number;
    readonly pinned_bytes: number;
    readonly evictable_bytes: number;
    readonly gateway_rss_bytes: number;
  };
  readonly requests_active: number;
  readonly lanes: readonly Lane[];
  readonly models: readonly Model[];
};

/** What was promised for a request on one model, ms. */
export type Prediction = {
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly output_tokens: number;
  readonly wait_ms: number;
  readonly load_ms: number;
  readonly prefill_ms: number;
  readonly decode_ms: number;
  readonly ttft_ms: number;
  readonly e2e_ms: number;
  readonly basis: Provenance;
};

/** A model that was looked at for a request. */
export type Candidate = {
  readonly model: string;
  readonly device?: string | null;
  readonly quality: number;
  readonly utility: number | null;
  readonly feasible: boolean;
  readonly reason: string;
  readonly predicted: Prediction | null;
};

/** A rule that spoke when a request was classified. */
export type Reason = { readonly rule: string; readonly detail: string };

/** `POST /router/explain`. */
export type Explanation = {
  readonly class: string;
  readonly task: string;
  readonly slo: { readonly ttft_ms: number | null; readonly e2e_ms: number | null; readonly min_quality: number };
  readonly chosen: { readonly model: string; readonly reason: string } | null;
  readonly refusal?: { readonly message: string };
  readonly candidates: readonly Candidate[];
  readonly degraded: boolean;
};

/** What a request did, as measured; what it never came to is absent. */
export type Actual = {
  readonly queue_ms?: number;
  readonly load_ms?: number;
  readonly ttft_ms?: number;
  readonly e2e_ms?: number;
  readonly prompt_tokens?: number;
  readonly cached_tokens?: number;
  readonly output_tokens?: number;
  readonly decode_tokens_per_sec?: number;
};

/** One finished request. */
export type Decision = {
  readonly request_id: string;
  readonly received_at: string;
  readonly client: string;
  readonly class: string;
  readonly task: string;
  readonly reasons: readonly Reason[];
  readonly model: string | null;
  readonly reason: string;
  readonly degraded: boolean;
  readonly explored: boolean;
  readonly stream: boolean;
  readonly slo: { readonly ttft_ms: number | null; readonly e2e_ms: number | null; readonly source: string } | null;
  readonly outcome: {
    readonly kind: string;
    readonly code?: string;
    readonly message?: string;
    readonly finish_reason?: string;
    readonly slo_met?: boolean;
  };
  readonly predicted: Prediction | null;
  readonly actual: Actual;
  readonly candidates: readonly Candidate[];
};

/** `x_router` of an answer. */
export type XRouter = Pick<Decision, 'request_id' | 'class' | 'task' | 'reason' | 'degraded'> & {
  readonly model: string;
  readonly predicted: Prediction;
  readonly actual: Actual;
};

/** One figure of a profile. */
export type Figure = {
  readonly value: number;
  readonly provenance: Provenance;
  readonly n: number;
  readonly low?: number;
  readonly high?: number;
  readonly source: string;
  readonly at?: string;
};

/** `GET /router/profiles`: figures by model and metric. */
export type Profiles = {
  readonly profiles: Readonly<Record<string, Readonly<Record<string, Figure>>>>;
  readonly stale: Readonly<Record<string, readonly string[]>>;
};

/** A batch, in OpenAI's form with our outlook. */
export type Batch = {
  readonly id: string;
  readonly endpoint: string;
  readonly status: string;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number };
  readonly x_router: {
    readonly window: string;
    readonly paused: string | null;
    readonly state?: string;
    readonly planned?: Readonly<Record<string, number>>;
    readonly predicted_finish?: string | null;
    readonly promised?: boolean;
    readonly items_per_hour?: number | null;
  };
};

/** `GET /router/policy`. */
export type PolicyView = {
  readonly file: string;
  readonly revision: string;
  readonly since: string;
  readonly text: string;
  readonly error: { readonly message: string; readonly at: string; readonly diff: string | null } | null;
  readonly previous: {
    readonly revision: string;
    readonly since: string;
    readonly diff: string | null;
    readonly changes: readonly {
      readonly path: string;
      readonly before: string | null;
      readonly after: string | null;
    }[];
  } | null;
};

/** What the doctor says of one thing. */
export type Finding = {
  readonly id: string;
  readonly severity: 'ok' | 'info' | 'warn' | 'error';
  readonly title: string;
  readonly measured: string;
  readonly why: string;
  readonly remedy: string;
};

/** What happens in the gateway, as `/router/events` tells it; only what is shown. */
export type GatewayEvent = {
  readonly kind: string;
  readonly model?: string;
  readonly from?: string;
  readonly to?: string;
  readonly detail?: string;
  readonly message?: string;
  readonly cause?: string;
  readonly revision?: string;
  readonly by?: string;
  readonly for?: string;
};
