import type { Attributes, HrTime } from '@opentelemetry/api';
import { emptyResource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  type Histogram,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import type { MetricFamily, Metrics } from './metrics.ts';

/** When counting began, and what is counted by. */
export type MetricSource = {
  readonly metrics: Pick<Metrics, 'values'>;
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
      const families = await metrics.values();
      const times = { startTime: hrTime(startedAtMs), endTime: hrTime(nowMs()) };
      const converted = families.flatMap((family) => convert(family, times) ?? []);
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

/** One metric in the SDK's form; undefined where it has no series yet. */
function convert(family: MetricFamily, times: Times): MetricData | undefined {
  if (family.values.length === 0) return undefined;
  const descriptor = { ...nameOf(family), description: family.help, valueType: 1 };
  const aggregationTemporality = AggregationTemporality.CUMULATIVE;
  const type = String(family.type);
  if (type === 'histogram') {
    const dataPoints = histogramsOf(family).map(({ labels, value }) => ({ ...times, attributes: labels, value }));
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
  const dataPoints = family.values.map(({ labels, value }) => ({ ...times, attributes: attributesOf(labels), value }));
  if (type === 'counter')
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints };
  return { descriptor, aggregationTemporality, dataPointType: DataPointType.GAUGE, dataPoints };
}

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

type Labels = MetricFamily['values'][number]['labels'];

function attributesOf(labels: Labels): Attributes {
  const entries = Object.entries(labels).filter(([label, value]) => label !== 'le' && value !== '');
  return Object.fromEntries(entries.map(([label, value]) => [ATTRIBUTES[label] ?? label, value]));
}

/** The series of a histogram: in Prometheus' form each bucket, the sum and the count are lines of their own. */
function histogramsOf({ values, name }: MetricFamily): readonly { labels: Attributes; value: Histogram }[] {
  const series = new Map<string, { labels: Attributes; value: Histogram }>();
  for (const line of values) {
    const labels = attributesOf(line.labels);
    const key = JSON.stringify(labels);
    const one = series.get(key) ?? { labels, value: { buckets: { boundaries: [], counts: [] }, sum: 0, count: 0 } };
    series.set(key, one);
    const { metricName } = line as typeof line & { readonly metricName?: string };
    if (metricName === `${name}_sum`) one.value.sum = line.value;
    else if (metricName === `${name}_count`) one.value.count = line.value;
    else addBucket(one.value, line.labels['le'], line.value);
  }
  return [...series.values()];
}

// Prometheus counts everything up to a bound, the SDK what lies between two of them.
function addBucket({ buckets }: Histogram, bound: string | number | undefined, upTo: number): void {
  const before = buckets.counts.reduce((sum, count) => sum + count, 0);
  buckets.counts.push(upTo - before);
  if (bound !== '+Inf') buckets.boundaries.push(Number(bound));
}
