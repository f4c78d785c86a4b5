import type { VerdictPolicy } from '../core/policy.ts';
import type { Profile, Provenance } from '../core/profile.ts';
import type { Judgement } from './verdict.ts';

/** What is known of the models of one or several machines, ready to be shown. */
export type Report = {
  readonly title: string;
  /** The standard chat that times are given for. */
  readonly chat: VerdictPolicy['chat'];
  readonly machines: readonly MachineReport[];
};

/** One machine. */
export type MachineReport = {
  readonly name: string;
  /** Names and values that tell what it is. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** Where the figures are from: a file, a database, published tables. */
  readonly source: string;
  /** What all models together may have; undefined where nobody knows. */
  readonly memoryBudgetBytes: number | undefined;
  readonly models: readonly ModelReport[];
  /** What running beside another model costs, where it was measured. */
  readonly pairs: readonly PairReport[];
  /** Newest first. */
  readonly tunes: readonly TuneTable[];
  /** What a reader should know before comparing. */
  readonly notes: readonly string[];
};

/** What `model` pays while `withModel` generates on another device: its times are multiplied by the factors. */
export type PairReport = {
  readonly model: string;
  readonly withModel: string;
  readonly withDevice: string;
  readonly prefillFactor: number;
  readonly decodeFactor: number;
  readonly n: number;
};

/** What is known of one model, before it is judged. */
export type ModelSource = {
  readonly model: string;
  readonly device: string;
  readonly isNpu: boolean;
  /** False for a model that conversations are kept from. */
  readonly mayChat: boolean;
  readonly profile: Profile;
  /** The policy's own idea of its quality, until it is measured. */
  readonly qualityPrior: number | undefined;
  /** Time to first token by prompt length, ms; empty where it was not measured. */
  readonly ttft: readonly LengthFigure[];
  /** Points of the last sustained run, in order; empty where there was none. */
  readonly sustained: readonly SustainedPoint[];
  /** True where only the time of a model is kept, or a simulator stands for the device. */
  readonly simulated: boolean;
  /** Why its figures belong to another state of the machine. */
  readonly stale: readonly string[];
  /** What those who measured it made of it, in their words. */
  readonly published?: string | undefined;
};

/** A measured time at a prompt length. */
export type LengthFigure = {
  readonly promptTokens: number;
  readonly value: number;
  readonly low: number | undefined;
  readonly high: number | undefined;
};

/** One stretch of a sustained run. */
export type SustainedPoint = {
  readonly atMs: number;
  readonly decodeTokensPerSec: number;
  readonly celsius: number | undefined;
};

/** A model with what follows from its figures. */
export type ModelReport = ModelSource & {
  /** First token and end of the standard chat on the loaded model, ms; undefined without the rates. */
  readonly chatTtftMs: number | undefined;
  readonly chatMs: number | undefined;
  /** True where the prompt's part of `chatMs` is not known. */
  readonly isPrefillUnknown: boolean;
  /** Peak memory over the machine's budget. */
  readonly memoryShare: number | undefined;
  readonly quality: QualityFigure | undefined;
  /** Undefined without a decode rate. */
  readonly judgement: Judgement | undefined;
  readonly quarantined: string | undefined;
  /** True where a rate stands on fewer than five samples. */
  readonly provisional: boolean;
  /** Least trusted source among the rates. */
  readonly basis: Provenance | undefined;
};

/** Quality over all tasks that were measured: means of the shares and of their bounds; or the policy's number. */
export type QualityFigure = {
  readonly value: number;
  readonly low: number | undefined;
  readonly high: number | undefined;
  readonly isPrior: boolean;
};

/** A tuning run as a table. */
export type TuneTable = {
  readonly model: string;
  /** E.g. `e2e:256+60`. */
  readonly objective: string;
  /** Names of the settings that were searched. */
  readonly axes: readonly string[];
  readonly trials: readonly TuneTrial[];
  readonly conclusion: string;
};

/** One combination of settings. */
export type TuneTrial = {
  readonly settings: Readonly<Record<string, string>>;
  readonly promptTps: number | undefined;
  readonly decodeTps: number | undefined;
  readonly wallS: number | undefined;
  readonly ttftMs: number | undefined;
  readonly peakRssBytes: number | undefined;
  /** What the search made small, ms. */
  readonly objectiveMs: number | undefined;
  /** E.g. `winner`, `kept`, `eliminated`, with the reason where there is one. */
  readonly status: string;
};
