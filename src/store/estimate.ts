import { parametersFromName } from '../core/names.ts';
import type { ModelPolicy } from '../core/policy.ts';
import type { ModelFacts, ProfileMetric } from '../core/profile.ts';
import { fitLine, median } from '../core/stats.ts';
import type { ProfileRow } from './bench-tables.ts';
import type { ReferenceTable } from './reference.ts';

/**
 * The last resort: a figure from the model's size alone.
 *
 *   rate = a · B^b      B = parameters in billions; a and b from the log-log line through the reference table of the CPU
 *
 * (with the shipped table b is about −0.8 for decode: the rate falls almost in proportion to the bytes read per token).
 * Where other models were measured or observed on this machine the law is moved through the median of
 * measured ÷ predicted, so that a machine ten times faster than the board is not taken for the board.
 */
export type SizeLaw = {
  readonly rate: (metric: RateMetric, parametersBillion: number) => number | undefined;
};

/** Metrics the size law knows. */
export type RateMetric = 'prefillTokensPerSec' | 'decodeTokensPerSec';

/** A model whose figures are known here, to move the law by. */
export type Anchor = {
  readonly parametersBillion: number;
  readonly metric: ProfileMetric;
  readonly value: number;
};

/** Fits {@link SizeLaw} to the CPU rows of the reference table, moved by what is known of this machine. */
export function fitSizeLaw(table: ReferenceTable, anchors: readonly Anchor[]): SizeLaw {
  const laws = {
    prefillTokensPerSec: lawOf(table, 'prefillTokensPerSec'),
    decodeTokensPerSec: lawOf(table, 'decodeTokensPerSec'),
  };
  const scales = {
    prefillTokensPerSec: scaleOf(laws.prefillTokensPerSec, anchors, 'prefillTokensPerSec'),
    decodeTokensPerSec: scaleOf(laws.decodeTokensPerSec, anchors, 'decodeTokensPerSec'),
  };
  return {
    rate: (metric, parametersBillion) => {
      const rate = laws[metric]?.(parametersBillion);
      return rate === undefined ? undefined : rate * scales[metric];
    },
  };
}

type Law = (parametersBillion: number) => number;

function lawOf(table: ReferenceTable, metric: RateMetric): Law | undefined {
  const points = table.entries.flatMap((entry) => {
    const rate = entry.figures[metric];
    if (entry.device !== 'cpu' || rate === undefined || entry.parametersBillion === undefined) return [];
    return [{ x: Math.log(entry.parametersBillion), y: Math.log(rate) }];
  });
  const line = fitLine(points);
  return line && ((billions) => Math.exp(line.intercept + line.slope * Math.log(billions)));
}

function scaleOf(law: Law | undefined, anchors: readonly Anchor[], metric: RateMetric): number {
  if (law === undefined) return 1;
  const ratios = anchors.flatMap((anchor) =>
    anchor.metric === metric ? [anchor.value / law(anchor.parametersBillion)] : [],
  );
  return median(ratios) ?? 1;
}

// eMMC, the middle of what the boards boot from (board facts, section 4: SD 20–40, eMMC about 150, NVMe over 1,000 MB/s).
const STORAGE_BYTES_PER_MS = 150_000;
const START_MS = 500;

/** Estimated figures of a model. Without facts (file missing) the size comes from the name, and memory from the size. */
export function estimatedRows(
  model: Pick<ModelPolicy, 'file'>,
  facts: ModelFacts | undefined,
  law: SizeLaw,
): readonly ProfileRow[] {
  const billions = facts?.parametersBillion ?? parametersFromName(model.file);
  const bytes =
    facts?.weightsBytes ?? (billions === undefined ? undefined : billions * 1e9 * bytesPerWeight(model.file));
  const row = (metric: ProfileMetric, value: number | undefined, source: string): readonly ProfileRow[] =>
    value === undefined || !(value > 0) ? [] : [{ metric, figure: { value, provenance: 'estimated', n: 0, source } }];
  const size = `size law at ${billions} billion parameters`;
  return [
    ...row('prefillTokensPerSec', billions && law.rate('prefillTokensPerSec', billions), size),
    ...row('decodeTokensPerSec', billions && law.rate('decodeTokensPerSec', billions), size),
    ...row('loadMs', bytes && START_MS + bytes / STORAGE_BYTES_PER_MS, 'file size at 150 MB/s'),
    ...row(
      'peakMemoryBytes',
      facts?.estimatedMemoryBytes ?? bytes,
      facts ? 'weights + KV cache + buffers' : 'weights alone',
    ),
  ];
}

/** Bytes per weight as the quantization in the name says: w8a8 1, Q4_K_M 0.56 (4.5 bit), f16 2; 1 when it does not say. */
function bytesPerWeight(file: string): number {
  const bits = /(?:^|[-_.])(?:i?q|w)(\d)/i.exec(file)?.[1];
  if (/(?:^|[-_.])b?f16/i.test(file)) return 2;
  if (bits === undefined) return 1;
  return bits === '8' ? 1 : (Number(bits) + 0.5) / 8;
}
