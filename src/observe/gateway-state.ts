import type { ModelClass } from '../core/classes.ts';
import type { Residency } from '../core/snapshot.ts';

/** How the gateway stands at one moment, read when somebody asks for its metrics. Absent = not known here. */
export type GatewayState = {
  readonly version: string;
  readonly ready: boolean;
  readonly draining: boolean;
  /** False while a changed policy file is invalid and the one before it is in force. */
  readonly policyValid: boolean;
  readonly policyRevision: string;
  readonly requestsActive: number;
  readonly lanes: readonly LaneState[];
  /** Requests a lane keeps waiting at most, per class. */
  readonly queueDepthMax: number;
  readonly memory: { readonly budgetBytes: number; readonly pinnedBytes: number; readonly evictableBytes: number };
  readonly models: readonly ModelState[];
  readonly batches: BatchState;
  readonly clients: readonly ClientState[];
  readonly machine: MachineReadings;
  readonly process: ProcessState;
};

/** One device's queue. */
export type LaneState = {
  readonly device: string;
  readonly lanes: number;
  readonly running: number;
  readonly waiting: Readonly<Record<ModelClass, number>>;
};

/** One model and its child. */
export type ModelState = {
  readonly model: string;
  readonly device: string;
  readonly available: boolean;
  readonly residency: Residency['kind'];
  readonly restarts: number;
  readonly running: number;
  readonly slots: number;
  readonly rssBytes: number | undefined;
  readonly cpuSeconds: number | undefined;
  /** Its figures belong to another state of the machine. */
  readonly stale: boolean;
  /** It is never chosen without being named. */
  readonly quarantined: boolean;
};

/** Batches that have not ended, and their items. */
export type BatchState = {
  readonly running: number;
  /** Of those, the ones where something is in the way although it is time. */
  readonly paused: number;
  readonly items: { readonly open: number; readonly done: number; readonly failed: number };
};

/** What a client does now, and its daily budget of tokens. */
export type ClientState = {
  readonly client: string;
  readonly running: number;
  readonly tokensToday: number;
  readonly dailyTokens: number | undefined;
};

/** What the machine's own sensors say. */
export type MachineReadings = {
  readonly temperatures: readonly { readonly zone: string; readonly celsius: number }[];
  /** Cooling devices that slow something down, with how far they do, 0..1. */
  readonly cooling: readonly { readonly device: string; readonly share: number }[];
  /** Load of each NPU core, 0..1; empty where there is none or the kernel does not let us read it. */
  readonly npu: readonly { readonly core: string; readonly share: number }[];
  readonly cpuHertz: readonly { readonly cpus: string; readonly hertz: number }[];
  readonly memoryAvailableBytes: number | undefined;
};

/** The gateway's own process. */
export type ProcessState = {
  readonly rssBytes: number;
  readonly cpuSeconds: number;
  readonly startedAtMs: number;
  readonly openFiles: number | undefined;
};
