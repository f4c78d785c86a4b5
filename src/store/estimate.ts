import { parametersFromName } from '../core/names.ts';
import type { ModelPolicy } from '../core/policy.ts';
import type { ModelFacts, ProfileMetric } from '../core/profile.ts';
import { loadMsBySize, type RateMetric, sizeLawRate } from '../core/size-law.ts';
import { median } from '../core/stats.ts';
import type { ProfileRow } from './bench-tables.ts';

/**
 * The last resort: a figure from the model's size alone, by the law of `core/size-law.ts`. Where other models were
 * measured or observed on this machine the law is moved through the median of measured ÷ predicted, so that a machine
 * ten times faster than the board is not taken for the board.
 */
export type SizeLaw = {
  readonly rate: (metric: RateMetric, parametersBillion: number) => number;
};

/** A model whose figures are known here, to move the law by. */
export type Anchor = {
  readonly parametersBillion: number;
  readonly metric: ProfileMetric;
  readonly value: number;
};

/** The size law moved by what is known of this machine. */
export function fitSizeLaw(anchors: readonly Anchor[]): SizeLaw {
  const scales = {
    prefillTokensPerSec: scaleOf(anchors, 'prefillTokensPerSec'),
    decodeTokensPerSec: scaleOf(anchors, 'decodeTokensPerSec'),
  };
  return { rate: (metric, parametersBillion) => sizeLawRate(metric, parametersBillion) * scales[metric] };
}

function scaleOf(anchors: readonly Anchor[], metric: RateMetric): number {
  const ratios = anchors.flatMap((anchor) =>
    anchor.metric === metric ? [anchor.value / sizeLawRate(metric, anchor.parametersBillion)] : [],
  );
  return median(ratios) ?? 1;
}

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
    ...row('loadMs', bytes && loadMsBySize(bytes), 'file size at 150 MB/s'),
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
