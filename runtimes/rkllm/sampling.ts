import type { AbiProfile } from './abi/structs.ts';
import { greedyWhereCold, SAMPLING_DEFAULTS } from './load-params.ts';

/** Sampling of one run, and what of the request could not be done. */
export type ChosenSampling = {
  /** The whole set, where the runtime takes one per run; undefined: what was set at load holds. */
  readonly sampling: Readonly<Record<string, number>> | undefined;
  /** Fields the request set that have no effect here. */
  readonly ignored: readonly string[];
};

/** Fields that would change an answer and that librkllmrt has no word for. */
const UNKNOWN_TO_RKLLM = [
  'seed',
  'min_p',
  'typical_p',
  'top_n_sigma',
  'repeat_last_n',
  'dynatemp_range',
  'dynatemp_exponent',
  'xtc_probability',
  'xtc_threshold',
  'dry_multiplier',
  'dry_base',
  'dry_allowed_length',
  'dry_penalty_last_n',
  'logit_bias',
  'ignore_eos',
  'n_predict',
  'id_slot',
  'cache_prompt',
  'samplers',
  'reasoning_effort',
  'thinking_budget_tokens',
  'parallel_tool_calls',
] as const;

const SAME_TO_1_IN = 1e6;

/**
 * Sampling of a run from the policy's values and the request's. Runtime 1.3 takes all of them per run; below it they
 * are fixed at load, and a request that wants others is told so instead of being served something else silently.
 */
export function chooseSampling(
  profile: AbiProfile,
  policy: Readonly<Record<string, number>>,
  body: Readonly<Record<string, unknown>>,
): ChosenSampling {
  const loaded = { ...SAMPLING_DEFAULTS, ...policy };
  const asked = Object.entries(body).filter(
    (pair): pair is [string, number] => pair[0] in SAMPLING_DEFAULTS && typeof pair[1] === 'number',
  );
  const unknown = UNKNOWN_TO_RKLLM.filter((name) => body[name] !== undefined && body[name] !== null);
  if (profile === '1.3') {
    const sampling = asked.length === 0 ? undefined : greedyWhereCold({ ...loaded, ...Object.fromEntries(asked) });
    return { sampling, ignored: unknown };
  }
  const fixed = asked.filter(([name, value]) => !isSame(value, loaded[name])).map(([name]) => name);
  return { sampling: undefined, ignored: [...fixed, ...unknown] };
}

const isSame = (left: number, right: number | undefined): boolean =>
  right !== undefined && Math.abs(left - right) * SAME_TO_1_IN <= Math.max(Math.abs(left), Math.abs(right), 1e-9);
