import type { Task } from '../../core/classes.ts';
import { median, medianInterval } from '../../core/stats.ts';

/** Units of metrics, as result files write them. */
export const UNITS = [
  'ms',
  'tok/s',
  'bytes',
  'tokens',
  'characters per token',
  'ms per token and token',
  'factor',
  'share',
  'nats',
] as const;
/** One of {@link UNITS}. */
export type Unit = (typeof UNITS)[number];

/**
 * One figure of a benchmark: its name, unit and definition stand in one file each, so that what a result file says can
 * be looked up and argued with. A new metric is a new file here and a line in list.ts.
 */
export type Metric = {
  /** Key in result files, unit last. */
  readonly id: string;
  readonly unit: Unit;
  /** One sentence with the formula; repeated in bench-results/README.md. */
  readonly definition: string;
  /**
   * `served`: through the supervised process, as a client sees it. `runtime`: the same requests by the runtime's own
   * clock. `raw`: llama-bench, no server, tokenizer or sampling.
   */
  readonly side: 'served' | 'runtime' | 'raw';
  /** Series this metric makes of the samples; empty when there is nothing to make it of. */
  measure(samples: BenchSamples): readonly Series[];
};

/** Everything one model's run has collected. */
export type BenchSamples = {
  /** Time of each load with the file in the page cache, ms, in the order they were made. */
  readonly loadsMs: readonly number[];
  /** The same from storage; empty where the page cache could not be emptied of the file. */
  readonly coldLoadsMs: readonly number[];
  /** Time from the wish to stop the process to its end, ms. */
  readonly unloadsMs: readonly number[];
  readonly requests: readonly RequestSample[];
  /** Requests behind a prompt longer than those of the plan; only for decode rates over depth. Empty where too slow. */
  readonly deep: readonly RequestSample[];
  /** Peak resident memory of the served process. */
  readonly peakMemoryBytes: readonly number[];
  /** The same with shared pages counted by the process's share of them (PSS), after the last request of each round. */
  readonly proportionalMemoryBytes: readonly number[];
  /** llama-bench's rates by depth, the smallest depth first; empty where it did not run. */
  readonly raw: readonly RawSamples[];
  /** Stretches of a sustained run in order; empty where there was none. */
  readonly sustained: readonly SustainedSample[];
  /** Quality items and probes; empty where none was put. */
  readonly answers: readonly AnswerSample[];
};

/** Prompt lengths a run measures, as shares of the longest. */
export const PROMPT_LENGTHS = ['short', 'middle', 'long'] as const;
/** One of {@link PROMPT_LENGTHS}. */
export type PromptLength = (typeof PROMPT_LENGTHS)[number];

/** One request against the served model. Times are ms after it was sent. */
export type RequestSample = {
  readonly repetition: number;
  readonly length: PromptLength;
  readonly promptChars: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** First content part; absent when none came before the end. */
  readonly firstMs: number | undefined;
  /** Last content part. */
  readonly lastMs: number | undefined;
  /** End of the reply. */
  readonly endMs: number;
  /** What the runtime itself says it spent on prefill and on decode; absent where it does not. */
  readonly prefillMs: number | undefined;
  readonly decodeMs: number | undefined;
  /** True for the one whose whole course (TPOT, E2E) is looked at; the others only ask for the first tokens. */
  readonly isComplete: boolean;
};

/** Rates llama-bench gives, tok/s, one per repetition. */
export type RawSamples = {
  /** Tokens already in the context when the test begins. */
  readonly depth: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly prefillTokensPerSec: readonly number[];
  readonly decodeTokensPerSec: readonly number[];
};

/** One answer to a quality item or probe. */
export type AnswerSample = {
  readonly item: string;
  readonly task?: Task | undefined;
  readonly right?: boolean | undefined;
  /** Why it is no text; undefined for one that looks like text. */
  readonly sign?: string | undefined;
};

/** One stretch of a sustained run. */
export type SustainedSample = {
  /** End of the stretch, ms after the run began. */
  readonly atMs: number;
  readonly prefillTokensPerSec?: number | undefined;
  readonly decodeTokensPerSec: number;
  /** Hottest thermal zone and the fastest CPU clock at its end, where the machine tells them. */
  readonly celsius?: number | undefined;
  readonly cpuKhz?: number | undefined;
};

/** Fewer samples than this give no usable interval (at n = 3 it covers 77 % instead of 95 %), so they are provisional. */
export const SAMPLES_MIN = 5;

/** A metric's samples and what they come to. */
export type Series = {
  readonly metric: string;
  readonly unit: Metric['unit'];
  readonly side: Metric['side'];
  /** Where a metric is measured at several prompt lengths: the median length of this series. */
  readonly promptTokens?: number;
  /** Median of the samples, unless the metric's definition says otherwise. */
  readonly value: number;
  /** 95 % interval of the median (`medianInterval`); absent below two samples. */
  readonly low?: number;
  readonly high?: number;
  readonly n: number;
  /** True below {@link SAMPLES_MIN} samples. */
  readonly provisional: boolean;
  readonly samples: readonly number[];
};

/**
 * Sums samples up; empty when there are none. `value` replaces the median where a metric has a better one; the interval
 * is widened to hold it.
 */
export function series(
  metric: Pick<Metric, 'id' | 'unit' | 'side'>,
  samples: readonly number[],
  given: { readonly promptTokens?: number; readonly value?: number; readonly provisional?: boolean } = {},
): readonly Series[] {
  const value = given.value ?? median(samples);
  if (value === undefined || samples.length === 0) return [];
  const interval = medianInterval(samples);
  return [
    {
      metric: metric.id,
      unit: metric.unit,
      side: metric.side,
      ...(given.promptTokens === undefined ? {} : { promptTokens: given.promptTokens }),
      value,
      ...(interval === undefined ? {} : { low: Math.min(interval.low, value), high: Math.max(interval.high, value) }),
      n: samples.length,
      provisional: given.provisional ?? samples.length < SAMPLES_MIN,
      samples,
    },
  ];
}
