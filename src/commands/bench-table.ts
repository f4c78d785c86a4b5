import type { Series } from '../bench/metrics/metric.ts';
import type { BenchDocument, BenchModelResult } from '../bench/result.ts';
import { formatBytes, formatDurationMs } from '../core/format.ts';
import { formatTable } from './format-table.ts';

/**
 * A run for people: one row per model with the figures routing uses, then what stood in the way. A figure with too few
 * samples carries a `~`.
 */
export function benchTable(document: BenchDocument): string {
  const measured = document.models.filter((model) => model.series.length > 0);
  const header = [
    'model',
    'load',
    'prefill',
    'fixed',
    'decode',
    'TTFT short/middle/long',
    'TPOT',
    'E2E',
    'peak memory',
    'KV cache',
    'runtime prefill',
    'runtime decode',
    'raw prefill',
    'raw decode',
  ];
  const lines = [...(measured.length === 0 ? [] : formatTable(header, measured.map(modelRow))), ...notes(document)];
  const machine = document.machine.model ?? document.machine.cpuModel ?? document.machine.architecture;
  return [
    `run ${document.id} on ${machine}, ${document.repetitions} repetitions`,
    ...(measured.length === 0 ? [] : ['']),
    ...lines,
  ].join('\n');
}

function modelRow(model: BenchModelResult): readonly string[] {
  const one = (metric: string, format: (value: number) => string) => {
    const found = model.series.find((series) => series.metric === metric);
    return found === undefined ? '-' : withSpread(found, format);
  };
  const ttft = model.series.filter((series) => series.metric === 'ttftMs');
  return [
    model.model,
    one('loadMs', formatDurationMs),
    one('prefillTokensPerSec', rate),
    one('prefillFixedMs', formatDurationMs),
    one('decodeTokensPerSec', rate),
    ttft.length === 0 ? '-' : ttft.map((series) => formatDurationMs(series.value)).join(' / '),
    one('tpotMs', formatDurationMs),
    one('e2eMs', formatDurationMs),
    one('peakMemoryBytes', formatBytes),
    kvCache(model),
    one('runtimePrefillTokensPerSec', rate),
    one('runtimeDecodeTokensPerSec', rate),
    one('rawPrefillTokensPerSec', rate),
    one('rawDecodeTokensPerSec', rate),
  ];
}

// Of the peak, at the context it was measured with.
function kvCache({ kvCache: cache }: BenchModelResult): string {
  if (cache === undefined) return '-';
  const share = cache.shareOfPeak === undefined ? '' : `, ${Math.round(cache.shareOfPeak * 100)} %`;
  return `${formatBytes(cache.bytes)}${share} (${cache.contextTokens})`;
}

const rate = (value: number): string => `${value < 10 ? value.toFixed(2) : value.toFixed(value < 100 ? 1 : 0)} tok/s`;

function withSpread(series: Pick<Series, 'value' | 'low' | 'high' | 'provisional'>, format: (value: number) => string) {
  const mark = series.provisional ? '~' : '';
  const { value, low, high } = series;
  if (low === undefined || high === undefined || value === 0 || high - low < value * 0.01)
    return `${mark}${format(value)}`;
  return `${mark}${format(value)} ±${Math.ceil((Math.max(high - value, value - low) / value) * 100)} %`;
}

function notes(document: BenchDocument): readonly string[] {
  const lines = document.models.flatMap((model) => [
    ...(model.outcome === 'measured' ? [] : [`${model.model}: ${model.outcome}${because(model)}`]),
    ...depths(model),
    ...model.warnings.map((warning) => `${model.model}: ${warning}`),
  ]);
  const provisional = document.repetitions < 5 ? ['~ provisional: fewer than 5 samples'] : [];
  const all = [...provisional, ...lines];
  return all.length === 0 ? [] : ['', ...all];
}

/** Decode rates by the depth they were taken at, on one line. */
function depths({ model, series }: BenchModelResult): readonly string[] {
  const found = series.filter((one) => one.metric === 'decodeAtDepthTokensPerSec');
  if (found.length < 2) return [];
  const tokens = found.map((one) => Math.round(one.promptTokens ?? 0)).join(' / ');
  return [`${model}: decode behind ${tokens} prompt tokens: ${found.map((one) => rate(one.value)).join(' / ')}`];
}

function because({ reason, remedy }: BenchModelResult): string {
  if (reason === undefined) return '';
  return remedy === undefined ? `: ${reason}` : `: ${reason} (${remedy})`;
}
