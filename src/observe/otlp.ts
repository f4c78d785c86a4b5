import { hostname } from 'node:os';
import type { EmitEvent, GatewayEvent } from '../core/events.ts';
import type { OtlpPolicy } from '../core/policy.ts';
import type { MetricSource } from './otel-metrics.ts';

/** Where traces and metrics are sent; undefined = that kind is not sent. */
export type OtlpTargets = { readonly tracesUrl: string | undefined; readonly metricsUrl: string | undefined };

/** What is sent over OTLP, and how often. */
export type OtlpOptions = OtlpTargets &
  Pick<OtlpPolicy, 'everyMs' | 'traceShare'> & {
    readonly source: MetricSource;
    readonly emit: EmitEvent;
  };

/** Sends traces and metrics to a collector. */
export interface OtlpExport {
  observe(event: GatewayEvent): void;
  /** Sends what has not been sent yet; a collector that does not answer is tried for some time. */
  close(): Promise<void>;
}

/**
 * Where to send, from the policy, else from OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT` and those of
 * one kind alone); undefined where nobody asks for it or `OTEL_SDK_DISABLED` is true.
 */
export function otlpTargets(
  policy: Pick<OtlpPolicy, 'endpoint'>,
  environment: NodeJS.ProcessEnv,
): OtlpTargets | undefined {
  if (environment['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return undefined;
  const base = policy.endpoint ?? filled(environment['OTEL_EXPORTER_OTLP_ENDPOINT']);
  const urlOf = (signal: 'traces' | 'metrics') => {
    const own = filled(environment[`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`]);
    const fromBase = base === undefined ? undefined : `${base.replace(/\/+$/, '')}/v1/${signal}`;
    return policy.endpoint === undefined ? (own ?? fromBase) : fromBase;
  };
  const targets = { tracesUrl: urlOf('traces'), metricsUrl: urlOf('metrics') };
  return targets.tracesUrl === undefined && targets.metricsUrl === undefined ? undefined : targets;
}

const filled = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

/**
 * Loads OpenTelemetry's SDK and begins to send. The SDK reads the other variables of its own itself: headers,
 * certificates, compression, timeout, resource attributes. A collector that cannot be reached is told of once, and
 * once more when it is there again.
 */
export async function startOtlp(options: OtlpOptions): Promise<OtlpExport> {
  const [sdkTrace, sdkMetrics, resources, traceExport, metricExport, ours, traces, report] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/sdk-metrics'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/exporter-metrics-otlp-proto'),
    import('./otel-metrics.ts'),
    import('./otel-traces.ts'),
    import('./report-exports.ts'),
  ]);
  const { tracesUrl, metricsUrl, source, emit } = options;
  const resource = resources
    .defaultResource()
    .merge(
      resources.resourceFromAttributes({
        'service.name': 'sluice',
        'service.version': source.version,
        'host.name': hostname(),
      }),
    )
    .merge(resources.detectResources({ detectors: [resources.envDetector] }));
  const closers: (() => Promise<void>)[] = [];
  let observe: OtlpExport['observe'] = () => undefined;
  if (tracesUrl !== undefined) {
    const exporter = report.reportExports(new traceExport.OTLPTraceExporter({ url: tracesUrl }), {
      what: 'traces',
      url: tracesUrl,
      emit,
    });
    const provider = new sdkTrace.TracerProvider({
      resource,
      sampler: new sdkTrace.ParentBasedSampler({ root: new sdkTrace.TraceIdRatioBasedSampler(options.traceShare) }),
      spanProcessors: [new sdkTrace.BatchSpanProcessor({ exporter })],
    });
    const tracer = provider.getTracer('sluice', source.version);
    observe = (event) => {
      if (event.kind === 'request.finished') traces.traceRequest(tracer, event.record);
    };
    closers.push(() => provider.shutdown());
  }
  if (metricsUrl !== undefined) {
    const exporter = report.reportExports(new metricExport.OTLPMetricExporter({ url: metricsUrl }), {
      what: 'metrics',
      url: metricsUrl,
      emit,
    });
    const reader = new sdkMetrics.PeriodicExportingMetricReader({
      exporter,
      exportIntervalMillis: options.everyMs,
      exportTimeoutMillis: Math.min(options.everyMs, 10_000),
      metricProducers: [ours.metricProducer(source)],
    });
    const provider = new sdkMetrics.MeterProvider({ resource, readers: [reader] });
    closers.push(() => provider.shutdown());
  }
  return {
    observe,
    close: async () => {
      await Promise.allSettled(closers.map((close) => close()));
    },
  };
}
