import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import protobuf from 'protobufjs';

/** A span as it came, with ids in hex and times in ms since 1970. */
export type SpanSeen = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly name: string;
  readonly kind: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: number;
};

/** A metric as it came; points with their attributes. */
export type MetricSeen = {
  readonly name: string;
  readonly unit: string;
  readonly kind: 'gauge' | 'sum' | 'histogram';
  readonly cumulative: boolean;
  readonly points: readonly {
    readonly attributes: Readonly<Record<string, unknown>>;
    readonly value?: number;
    readonly sum?: number;
    readonly count?: number;
    readonly bucketCounts?: readonly number[];
    readonly bounds?: readonly number[];
    readonly startMs: number;
    readonly timeMs: number;
  }[];
};

/** A stand-in for an OpenTelemetry collector: OTLP over HTTP as protocol buffers, decoded by the published field numbers. */
export interface OtlpCollector {
  readonly url: string;
  readonly spans: SpanSeen[];
  /** Of each name the last that came. */
  readonly metrics: Map<string, MetricSeen>;
  readonly resources: Readonly<Record<string, unknown>>[];
  /** Headers of every request. */
  readonly headers: IncomingHttpHeaders[];
  /** What it answers with from now on. */
  answer: number;
  close(): Promise<void>;
}

/** Listens on a free port. */
export async function startOtlpCollector(): Promise<OtlpCollector> {
  const root = await protobuf.load(join(import.meta.dirname, '../fixtures/otlp/otlp.proto'));
  const decode = (type: string, body: Buffer): Message =>
    root.lookupType(type).toObject(root.lookupType(type).decode(body), { longs: Number, arrays: true });
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      collector.headers.push(incoming.headers);
      const isProtobuf = incoming.headers['content-type'] === 'application/x-protobuf';
      const status = isProtobuf ? collector.answer : 415;
      const raw = Buffer.concat(chunks);
      const body = incoming.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
      if (status === 200 && incoming.url === '/v1/traces')
        keepSpans(collector, decode('otlp.ExportTraceServiceRequest', body));
      if (status === 200 && incoming.url === '/v1/metrics')
        keepMetrics(collector, decode('otlp.ExportMetricsServiceRequest', body));
      outgoing.writeHead(status, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  const collector: OtlpCollector = {
    url: '',
    spans: [],
    metrics: new Map(),
    resources: [],
    headers: [],
    answer: 200,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(collector, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

/** Decoded messages: tests look into them and expect what they find. */
type Message = ReturnType<typeof JSON.parse>;

function keepSpans(collector: OtlpCollector, { resourceSpans }: Message): void {
  for (const { resource, scopeSpans } of resourceSpans) {
    collector.resources.push(attributesOf(resource.attributes));
    for (const span of scopeSpans.flatMap(({ spans }: Message) => spans)) {
      collector.spans.push({
        traceId: hex(span.traceId),
        spanId: hex(span.spanId),
        parentId: hex(span.parentSpanId),
        name: span.name,
        kind: span.kind,
        startMs: span.startTimeUnixNano / 1e6,
        endMs: span.endTimeUnixNano / 1e6,
        attributes: attributesOf(span.attributes),
        status: span.status?.code ?? 0,
      });
    }
  }
}

function keepMetrics(collector: OtlpCollector, { resourceMetrics }: Message): void {
  for (const { resource, scopeMetrics } of resourceMetrics) {
    collector.resources.push(attributesOf(resource.attributes));
    for (const metric of scopeMetrics.flatMap(({ metrics }: Message) => metrics)) {
      const kind = metric.histogram ? 'histogram' : metric.sum ? 'sum' : 'gauge';
      const data = metric[kind];
      collector.metrics.set(metric.name, {
        name: metric.name,
        unit: metric.unit ?? '',
        kind,
        cumulative: data.aggregationTemporality === 2,
        points: data.dataPoints.map((point: Message) => ({
          attributes: attributesOf(point.attributes),
          value: point.asDouble ?? point.asInt,
          sum: point.sum,
          count: point.count,
          bucketCounts: point.bucketCounts,
          bounds: point.explicitBounds,
          startMs: (point.startTimeUnixNano ?? 0) / 1e6,
          timeMs: point.timeUnixNano / 1e6,
        })),
      });
    }
  }
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');

const attributesOf = (pairs: Message[]): Readonly<Record<string, unknown>> =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, plainValue(value)]));

function plainValue(value: Message): unknown {
  if (value.arrayValue !== undefined) return value.arrayValue.values.map(plainValue);
  return value.stringValue ?? value.boolValue ?? value.intValue ?? value.doubleValue;
}
