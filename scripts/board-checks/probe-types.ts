import type { AbiProfile } from '../../runtimes/rkllm/abi/structs.ts';

/** What a probe is given. */
export type ProbeSetup = {
  readonly library: string;
  readonly profile: AbiProfile;
  readonly modelFile: string;
  /** Context to load with, tokens. */
  readonly contextTokens: number;
  readonly domainId: number;
};

/** What a probe found; `verdict` is `info` where only a person can judge the values. */
export type ProbeFinding = {
  readonly verdict: 'pass' | 'fail' | 'info';
  readonly values: Readonly<Record<string, string | number | boolean>>;
};

/** How a probe ended: each runs in a process of its own, so a crash and a hang are answers too. */
export type ProbeOutcome = (
  | { readonly kind: 'done'; readonly finding: ProbeFinding }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'crashed'; readonly how: string }
  | { readonly kind: 'hung'; readonly afterMs: number }
) & {
  /** What the library printed, without the white space around. */
  readonly log: readonly string[];
};

/** From the probe's process. */
export type FromProbe =
  | { readonly kind: 'held' }
  | { readonly kind: 'done'; readonly finding: ProbeFinding }
  | { readonly kind: 'failed'; readonly message: string };
