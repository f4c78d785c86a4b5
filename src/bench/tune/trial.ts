/** Part of the search a measurement belongs to. */
export type Phase = 'halving' | 'climbing' | 'confirming';

/** One finished measurement of an arm. */
export type Trial = {
  /** Id of the arm. */
  readonly arm: string;
  readonly phase: Phase;
  /** What is to be small, ms; undefined where the arm failed or broke a constraint. */
  readonly cost: number | undefined;
  /** Time it took in all, ms. */
  readonly tookMs: number;
  /** True where other programs or a moving clock disturbed it. */
  readonly isDisturbed: boolean;
};
