import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api';
import { emptyResource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import type { Metrics } from './metrics.ts';
import type { HistogramSeries } from './registry.ts';

/** When counting began, and what is counted by. */
export type MetricSource = {
  readonly metrics: Pick<Metrics, 'families'>;
  readonly version: string;
  readonly startedAtMs: number;
  readonly nowMs: () => number;
};

/**
 * The gateway's instruments as a source of the OpenTelemetry SDK, which sends them: there is one set of instruments, and
 * what Prometheus reads is what a collector gets. Those of the conventions for generative AI get their own names back.
 */
export function metricProducer({ metrics, version, startedAtMs, nowMs }: MetricSource): MetricProducer {
  return {
    collect: async () => {
      const times = { startTime: hrTime(startedAtMs), endTime: hrTime(nowMs()) };
      const converted = metrics.families().flatMap((family) => convert(family, times) ?? []);
      return {
        // The reader puts its own in this one's place.
        resourceMetrics: {
          resource: emptyResource(),
          scopeMetrics: [{ scope: { name: 'sluice', version }, metrics: converted }],
        },
        errors: [],
      };
    },
  };
}

type Times = { readonly startTime: HrTime; readonly endTime: HrTime };

/** Wall clock as the SDK writes it: seconds, and nanoseconds beside them. */
export function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1_000_000)];
}

type MetricFamily = ReturnType<Metrics['families']>[number];

/** One metric in the SDK's form; undefined where it has no series yet. */
function convert(family: MetricFamily, times: Times): MetricData | undefined {
  const descriptor = { ...nameOf(family), description: family.help, valueType: ValueType.DOUBLE };
  const aggregationTemporality = AggregationTemporality.CUMULATIVE;
  if (family.kind === 'histogram') {
    const dataPoints = [...family.all()].map((series) => ({
      ...times,
      attributes: attributesOf(family, series.labels),
      value: histogramOf(series, family.bounds),
    }));
    if (dataPoints.length === 0) return undefined;
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
  const dataPoints = [...family.all()].map(({ labels, value }) => ({
    ...times,
    attributes: attributesOf(family, labels),
    value,
  }));
  if (dataPoints.length === 0) return undefined;
  if (family.kind === 'counter')
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints };
  return { descriptor, aggregationTemporality, dataPointType: DataPointType.GAUGE, dataPoints };
}

const histogramOf = ({ counts, sum }: HistogramSeries, bounds: readonly number[]) => ({
  buckets: { boundaries: [...bounds], counts: [...counts] },
  sum,
  count: counts.reduce((total, count) => total + count, 0),
});

const GEN_AI: Readonly<Record<string, { readonly name: string; readonly unit: string }>> = {
  gen_ai_server_request_duration_seconds: { name: 'gen_ai.server.request.duration', unit: 's' },
  gen_ai_server_time_to_first_token_seconds: { name: 'gen_ai.server.time_to_first_token', unit: 's' },
  gen_ai_server_time_per_output_token_seconds: { name: 'gen_ai.server.time_per_output_token', unit: 's' },
  gen_ai_client_token_usage: { name: 'gen_ai.client.token.usage', unit: '{token}' },
};

const ATTRIBUTES: Readonly<Record<string, string>> = {
  gen_ai_operation_name: 'gen_ai.operation.name',
  gen_ai_provider_name: 'gen_ai.provider.name',
  gen_ai_request_model: 'gen_ai.request.model',
  gen_ai_token_type: 'gen_ai.token.type',
  error_type: 'error.type',
};

/** Units of the names' endings, as UCUM writes them. */
const UNITS: readonly (readonly [ending: string, unit: string])[] = [
  ['_seconds', 's'],
  ['_bytes', 'By'],
  ['_celsius', 'Cel'],
  ['_hertz', 'Hz'],
  ['_ratio', '1'],
];

// `_total` is not part of a name here: whoever makes Prometheus' form of it adds that again.
function nameOf({ name }: MetricFamily): { readonly name: string; readonly unit: string } {
  const known = GEN_AI[name];
  if (known !== undefined) return known;
  const bare = name.replace(/_total$/, '');
  return { name: bare, unit: UNITS.find(([ending]) => bare.endsWith(ending))?.[1] ?? '' };
}

function attributesOf({ labels }: MetricFamily, values: readonly string[]): Attributes {
  const entries = labels.map((label, at) => [ATTRIBUTES[label] ?? label, values[at] ?? ''] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== ''));
}
